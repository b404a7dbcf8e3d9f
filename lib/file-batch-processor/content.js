// @ts-check
'use strict'

const args = require('../internal/arguments.js')

/** @import * as types from '../file-batch-processor.js' */

/** @param {string} encoding */
function isUtf8(encoding) {
  return encoding === 'utf8' || /^utf-?8$/i.test(encoding)
}

/**
 * What native code takes: a string it writes as UTF-8, or bytes.
 *
 * @param {types.Content} content
 * @param {BufferEncoding} encoding
 */
function toContent(content, encoding) {
  if (typeof content === 'string')
    return isUtf8(encoding) ? content : Buffer.from(content, encoding)
  if (!ArrayBuffer.isView(content)) {
    const expected = 'of type string or an instance of Buffer, TypedArray, or DataView'
    throw args.invalidType('content', expected, content)
  }
  const { buffer, byteOffset, byteLength } = content
  const bytes = Buffer.from(buffer, byteOffset, byteLength)
  // Native code takes no shared memory.
  return buffer instanceof SharedArrayBuffer ? Buffer.copyBytesFrom(bytes) : bytes
}

module.exports = { isUtf8, toContent }
