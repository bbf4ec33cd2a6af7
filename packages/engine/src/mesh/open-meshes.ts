/** Whether this process has made a mesh: traced code then takes care of what is split over it. */
export const openMeshes = { any: false };
