// @ts-check
'use strict'

// Checks of what callers pass. The messages are those of Node's own argument errors.

const { fileURLToPath } = require('node:url')
const { inspect } = require('node:util')

/**
 * @param {string} name
 * @param {string} expected
 * @param {unknown} actual
 */
function invalidType(name, expected, actual) {
  const error = new TypeError(
    `The "${name}" argument must be ${expected}. Received ${received(actual)}`,
  )
  return Object.assign(error, { code: 'ERR_INVALID_ARG_TYPE' })
}

/**
 * @param {string} name
 * @param {string} range
 * @param {unknown} actual
 */
function outOfRange(name, range, actual) {
  const error = new RangeError(
    `The value of "${name}" is out of range. It must be ${range}. Received ${inspect(actual)}`,
  )
  return Object.assign(error, { code: 'ERR_OUT_OF_RANGE' })
}

/**
 * @param {string} name
 * @param {string} reason
 * @param {unknown} actual
 */
function invalidValue(name, reason, actual) {
  const error = new TypeError(`The argument '${name}' ${reason}. Received ${inspect(actual)}`)
  return Object.assign(error, { code: 'ERR_INVALID_ARG_VALUE' })
}

/** @param {unknown} value */
function received(value) {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'function') return `function ${value.name}`
  if (typeof value === 'object') {
    return value.constructor?.name
      ? `an instance of ${value.constructor.name}`
      : inspect(value, { depth: -1 })
  }
  return `type ${typeof value} (${inspect(value).slice(0, 28)})`
}

/**
 * @param {string} name
 * @param {unknown} value
 * @returns {string}
 */
function string(name, value) {
  if (typeof value !== 'string') throw invalidType(name, 'of type string', value)
  return value
}

/**
 * A number within bounds, both included.
 *
 * @param {string} name
 * @param {unknown} value
 * @param {number} [min]
 * @param {number} [max]
 * @returns {number}
 */
function number(name, value, min = 0, max = Number.MAX_SAFE_INTEGER) {
  if (typeof value !== 'number') throw invalidType(name, 'of type number', value)
  if (!(value >= min && value <= max)) throw outOfRange(name, `>= ${min} and <= ${max}`, value)
  return value
}

/**
 * An integer within bounds, both included.
 *
 * @param {string} name
 * @param {unknown} value
 * @param {number} [min]
 * @param {number} [max]
 * @returns {number}
 */
function integer(name, value, min = 0, max = 2 ** 31 - 1) {
  if (typeof value !== 'number') throw invalidType(name, 'of type number', value)
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value)
  return number(name, value, min, max)
}

/**
 * @template T
 * @param {string} name
 * @param {T} value
 * @returns {T & object}
 */
function object(name, value) {
  if (typeof value !== 'object' || value === null) throw invalidType(name, 'of type object', value)
  return value
}

/**
 * @template {Function} F
 * @param {string} name
 * @param {F} value
 * @returns {F}
 */
function callback(name, value) {
  if (typeof value !== 'function') throw invalidType(name, 'of type function', value)
  return value
}

/**
 * A bound on a count: a positive integer or Infinity.
 *
 * @param {string} name
 * @param {unknown} value
 * @returns {number}
 */
function limit(name, value) {
  return value === Infinity ? value : integer(name, value, 1)
}

/**
 * The path of a file: text, or the bytes of a name that is none.
 *
 * @param {string} name
 * @param {unknown} value
 * @returns {string | Buffer}
 */
function path(name, value) {
  const path = value instanceof URL ? fileURLToPath(value) : value
  if (typeof path !== 'string' && !(path instanceof Uint8Array)) {
    throw invalidType(name, 'of type string or an instance of Buffer or URL', value)
  }
  if (path.includes(/** @type {never} */ (typeof path === 'string' ? '\0' : 0))) {
    throw invalidValue(name, 'must be a string, Uint8Array, or URL without null bytes', value)
  }
  // The caller's own bytes may change before they are used.
  return typeof path === 'string' ? path : Buffer.from(path)
}

/**
 * @param {unknown} value
 * @returns {BufferEncoding}
 */
function encoding(value) {
  if (typeof value === 'string' && Buffer.isEncoding(value)) return value
  throw invalidValue('encoding', 'is invalid encoding', value)
}

/**
 * Permissions: a number or a string of octal digits.
 *
 * @param {string} name
 * @param {unknown} value
 * @returns {number}
 */
function mode(name, value) {
  if (typeof value !== 'string') return integer(name, value, 0, 2 ** 32 - 1)
  if (/^[0-7]+$/.test(value)) return integer(name, Number.parseInt(value, 8), 0, 2 ** 32 - 1)
  throw invalidValue(name, 'must be a 32-bit unsigned integer or an octal string', value)
}

/**
 * @template T
 * @param {string} name
 * @param {T} value
 * @param {new (...args: any[]) => unknown} type
 * @returns {T}
 */
function instance(name, value, type) {
  if (!(value instanceof type)) {
    throw invalidType(name, `an instance of ${type.name}`, value)
  }
  return value
}

module.exports = {
  string,
  number,
  integer,
  limit,
  object,
  callback,
  instance,
  path,
  encoding,
  mode,
  invalidType,
  invalidValue,
  outOfRange,
}
