// @ts-check
'use strict'

/**
 * The JSON of a value; `undefined` if it has none.
 *
 * @param {unknown} data
 */
function toJSON(data) {
  try {
    return JSON.stringify(data)
  } catch {
    return undefined
  }
}

module.exports = { toJSON }
