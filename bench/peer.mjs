// @ts-check

/**
 * A peer package of `bench/package.json`. Imported by a name the type checker does not follow, so that the project checks without them.
 *
 * @param {string} name
 * @returns {Promise<any>}
 */
export const peer = (name) => import(name)
