/** What is damaged in a file, as a clause: `a page header ends too early`. */
export class Damaged extends Error {}

/** Why a file that may be whole is not read, as a clause: `it is encrypted`. */
export class Unsupported extends Error {}
