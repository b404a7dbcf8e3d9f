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
      paths.map((path) => [path]),
      (path) => processor.addReadOperation(path),
    )
  }

  /**
   * @param {Record<string, types.Content>} contents
   * @param {Pick<types.FileBatchProcessor, 'addWriteOperation'>} processor
   */
  static writeMultipleFiles(contents, processor) {
    return collect(Object.entries(contents), async (path, content) => {
      await processor.addWriteOperation(path, content)
      return success()
    })
  }

  /**
   * @param {Record<string, string>} destinations
   * @param {Pick<types.FileBatchProcessor, 'addCopyOperation'>} processor
   */
  static copyMultipleFiles(destinations, processor) {
    return collect(Object.entries(destinations), async (source, destination) => {
      await processor.addCopyOperation(source, destination)
      return { ...success(), destination }
    })
  }

  /**
   * @param {string[]} paths
   * @param {Pick<types.FileBatchProcessor, 'addMkdirOperation'>} processor
   */
  static createDirectories(paths, processor) {
    return collect(
      paths.map((path) => [path]),
      async (path) => {
        await processor.addMkdirOperation(path)
        return success()
      },
    )
  }
}

/** @returns {{ success: true }} */
function success() {
  return { success: true }
}

/**
 * Does something for every entry at the same time; a failure becomes the result of its own entry.
 *
 * @template T, V
 * @param {[key: string, value: V][] | [key: string][]} entries
 * @param {(key: string, value: V) => T | Promise<T>} act
 * @returns {Promise<Record<string, T | { error: string }>>}
 */
async function collect(entries, act) {
  const results = entries.map(async ([key, value]) => {
    try {
      return [key, await act(key, /** @type {V} */ (value))]
    } catch (error) {
      return [key, { error: error instanceof Error ? error.message : String(error) }]
    }
  })
  return Object.fromEntries(await Promise.all(results))
}

module.exports = { FileUtils }
