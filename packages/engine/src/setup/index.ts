export { RELEASE, type Release, type LibraryFile } from './release';
export { cacheFolder, findNativeLibrary, libraryCacheFolder, type FindOptions, type NativeLibrary } from './find';
export { installNativeLibrary, type InstallOptions, type InstallProgress } from './install';
export { useCompileCache } from './compile-cache';
export { examine, type DoctorCheck, type DoctorReport } from './doctor';
export { currentPlatform, unsupportedPlatformReason, type Platform } from './platform';
