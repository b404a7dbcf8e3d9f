// @ts-check
'use strict'

/** @import * as types from '../file-batch-processor.js' */

/**
 * Twice as many operations are out at most: enough to keep every disk busy, and few enough that neither adding them
 * nor the promises of all of them hold up the event loop.
 */
const AT_ONCE = 1000
const ordinary = { configurable: true, enumerable: true, writable: true }

// `processor` may be any object with the methods; they are looked up on it, so overrides count.
// biome-ignore lint/complexity/noStaticOnlyClass: the form of the API
class FileUtils {
  /**
   * @param {string[]} paths
   * @param {Pick<types.FileBatchProcessor, 'addReadOperation'>} processor
   */
  static readMultipleFiles(paths, processor) {
    return collect(
      [...paths],
      (path) => processor.addReadOperation(path),
      (_, text) => text,
    )
  }

  /**
   * @param {Record<string, types.Content>} contents
   * @param {Pick<types.FileBatchProcessor, 'addWriteOperation'>} processor
   */
  static writeMultipleFiles(contents, processor) {
    const write = (/** @type {string} */ path) => processor.addWriteOperation(path, contents[path])
    return collect(Object.keys(contents), write, success)
  }

  /**
   * @param {Record<string, string>} destinations
   * @param {Pick<types.FileBatchProcessor, 'addCopyOperation'>} processor
   */
  static copyMultipleFiles(destinations, processor) {
    return collect(
      Object.keys(destinations),
      (source) => processor.addCopyOperation(source, destinations[source]),
      (source) => ({ ...success(), destination: destinations[source] }),
    )
  }

  /**
   * @param {string[]} paths
   * @param {Pick<types.FileBatchProcessor, 'addMkdirOperation'>} processor
   */
  static createDirectories(paths, processor) {
    return collect([...paths], (path) => processor.addMkdirOperation(path), success)
  }
}

/** @returns {{ success: true }} */
function success() {
  return { success: true }
}

/**
 * Does something for every key at the same time; a failure becomes the result of its own key.
 *
 * @template T, R
 * @param {string[]} keys
 * @param {(key: string) => Promise<T>} act
 * @param {(key: string, value: T) => R} toResult
 * @returns {Promise<Record<string, R | { error: string }>>}
 */
function collect(keys, act, toResult) {
  /** @type {Record<string, R | { error: string }>} */
  const results = {}
  let [begun, settled, moreIsDue] = [0, 0, false]
  return new Promise((resolve) => {
    const settle = (/** @type {string} */ key, /** @type {R | { error: string }} */ result) => {
      put(results, key, result)
      settled++
      if (settled === keys.length) resolve(results)
      else if (!moreIsDue && begun - settled <= AT_ONCE && begun < keys.length) {
        moreIsDue = true
        setImmediate(beginMore)
      }
    }
    const begin = (/** @type {string} */ key) => {
      put(results, key, undefined) // In the order asked.
      started(act, key).then(
        (value) => settle(key, toResult(key, value)),
        (error) => settle(key, { error: error instanceof Error ? error.message : String(error) }),
      )
    }
    const beginMore = () => {
      moreIsDue = false
      const end = Math.min(begun + AT_ONCE, keys.length)
      while (begun < end) begin(keys[begun++])
    }
    if (keys.length === 0) resolve(results)
    beginMore()
    beginMore()
  })
}

/**
 * @template V
 * @param {Record<string, V | undefined>} results
 * @param {string} key
 * @param {V} value
 */
function put(results, key, value) {
  if (key !== '__proto__') results[key] = value
  else Object.defineProperty(results, key, { value, ...ordinary })
}

/**
 * The methods are the processor's own, which may throw, or return at once.
 *
 * @template T
 * @param {(key: string) => T | Promise<T>} act
 * @param {string} key
 * @returns {Promise<T>}
 */
function started(act, key) {
  try {
    return Promise.resolve(act(key))
  } catch (error) {
    return Promise.reject(error)
  }
}

module.exports = { FileUtils }
