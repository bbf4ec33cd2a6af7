/** The report of one run as an HTML page, for trackers that keep it. */
export async function reportOf(folder: string): Promise<string> {
  const { readRun, renderReport } = await import('@graft/report');
  return renderReport([await readRun(folder)]);
}
