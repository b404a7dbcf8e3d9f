// @ts-check
'use strict'

/**
 * Drops the first elements of an array beyond so many. To take off one by one costs V8 next to nothing; `splice`
 * moves all that stay.
 *
 * @param {unknown[]} array
 * @param {number} most
 */
function dropOldest(array, most) {
  if (array.length - most > 8) array.splice(0, array.length - most)
  while (array.length > most) array.shift()
}

module.exports = { dropOldest }
