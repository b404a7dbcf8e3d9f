// @ts-check
'use strict'

const { toUSVString } = require('node:util')

/**
 * JSON for the native engines: a surrogate without its other half is no character to them, and becomes U+FFFD.
 *
 * @param {unknown} value
 */
function wellFormed(value) {
  return JSON.stringify(value, (_key, part) =>
    typeof part === 'string' ? toUSVString(part) : part,
  )
}

module.exports = { wellFormed }
