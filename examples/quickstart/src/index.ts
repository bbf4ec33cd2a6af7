export { quickstart, type QuickstartOptions, type QuickstartResult } from './quickstart';
