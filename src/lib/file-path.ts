// Paths of files as text: nothing here looks at a file system.

/** True for the folder itself and what lies below it. Both absolute, without `.` and `..`. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === "/" ? "/" : `${folder}/`);
}
