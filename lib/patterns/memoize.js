// @ts-check
'use strict'

const args = require('../internal/arguments.js')

/** @import * as types from '../patterns.js' */

/**
 * @template {(...args: any[]) => any} F
 * @param {F} fn
 * @param {types.MemoizeOptions<F>} [options]
 * @returns {types.Memoized<F>}
 */
function memoize(fn, options = {}) {
  args.callback('fn', fn)
  const { key = defaultKey, ttl = Infinity, maxEntries = 1000 } = args.object('options', options)
  args.callback('options.key', key)
  args.number('options.ttl', ttl, 0, Infinity)
  args.limit('options.maxEntries', maxEntries)
  /** From least to most recently used. @type {Map<unknown, { value: any, expires: number }>} */
  const results = new Map()

  /**
   * @this {any}
   * @param {any[]} params
   */
  function memoized(...params) {
    const id = key(.../** @type {any} */ (params))
    const known = results.get(id)
    results.delete(id)
    if (known && performance.now() < known.expires) {
      results.set(id, known)
      return known.value
    }
    const value = fn.apply(this, params)
    // A promise is shared for as long as it is pending.
    const entry = { value, expires: isThenable(value) ? Infinity : performance.now() + ttl }
    results.set(id, entry)
    if (results.size > maxEntries) results.delete(results.keys().next().value)
    if (isThenable(value)) {
      value.then(
        () => {
          entry.expires = performance.now() + ttl
        },
        () => {
          if (results.get(id) === entry) results.delete(id)
        },
      )
    }
    return value
  }

  return /** @type {any} */ (
    Object.defineProperties(memoized, {
      clear: { value: () => results.clear() },
      delete: { value: (/** @type {any} */ ...params) => results.delete(key(...params)) },
      size: { get: () => results.size },
    })
  )
}

/** @param {any} value */
function isThenable(value) {
  return typeof value?.then === 'function'
}

/**
 * One object or function is told by identity, primitives by type and value.
 *
 * @param {unknown[]} params
 */
function defaultKey(...params) {
  if (params.length === 1 && !isPlain(params[0])) return params[0]
  const complex = params.find((param) => !isPlain(param))
  if (complex !== undefined) {
    throw args.invalidValue('options.key', 'is needed for several arguments with objects', complex)
  }
  return JSON.stringify(params.map((param) => [typeof param, written(param)]))
}

/** `String` writes -0 as it writes 0. @param {unknown} value */
function written(value) {
  return Object.is(value, -0) ? '-0' : String(value)
}

/** @param {unknown} value */
function isPlain(value) {
  return value === null || !['object', 'function', 'symbol'].includes(typeof value)
}

module.exports = { memoize }
