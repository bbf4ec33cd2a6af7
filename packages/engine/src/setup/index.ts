export { RELEASE, type Release, type LibraryFile } from './release';
export { cacheFolder, codeFolder } from './cache-folder';
export { findNativeLibrary, libraryCacheFolder, type FindOptions, type NativeLibrary } from './find';
export { installNativeLibrary, type InstallOptions, type InstallProgress } from './install';
export { useCompileCache } from './compile-cache';
export { untrustedPart, warnOfUntrusted } from './trust';
export { examine, type DoctorCheck, type DoctorOptions, type DoctorReport } from './doctor';
export { currentPlatform, unsupportedPlatformReason, type Platform } from './platform';
