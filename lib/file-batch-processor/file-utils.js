// @ts-check
'use strict'

/** @import * as types from '../file-batch-processor.js' */

// `processor` may be any object with the methods; they are looked up on it, so overrides count.
// biome-ignore lint/complexity/noStaticOnlyClass: the form of the API
class FileUtils {
  /**
   * @param {string[]} paths
   * @param {Pick<types.FileBatchProcessor, 'addReadOperation'>} processor
   */
  static readMultipleFiles(paths, processor) {
    return collect(
      paths,
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
    return collect(paths, (path) => processor.addMkdirOperation(path), success)
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
async function collect(keys, act, toResult) {
  /** @type {[key: string, result: R | { error: string }][]} */
  const results = new Array(keys.length)
  const attempt = (/** @type {string} */ key, /** @type {number} */ index) =>
    started(act, key).then(
      (value) => {
        results[index] = [key, toResult(key, value)]
      },
      (error) => {
        results[index] = [key, { error: error instanceof Error ? error.message : String(error) }]
      },
    )
  await Promise.all(keys.map(attempt))
  return Object.fromEntries(results)
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
