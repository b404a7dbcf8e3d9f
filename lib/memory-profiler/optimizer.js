// @ts-check
'use strict'

const os = require('node:os')
const path = require('node:path')

const args = require('../internal/arguments.js')
const { traced } = require('../internal/errors.js')
const native = require('../internal/native.js')
const { promised, settler } = require('../internal/settle.js')

/** @import * as types from '../memory-profiler.js' */

// biome-ignore lint/complexity/noStaticOnlyClass: users call it so
class MemoryOptimizer {
  /**
   * @param {string} filePath
   * @param {number} [chunkSize]
   * @returns {Promise<types.FileAdvice>}
   */
  static async optimizeForLargeFiles(filePath, chunkSize = 65536) {
    args.string('filePath', filePath)
    args.integer('chunkSize', chunkSize, 1)
    const advice = await traced(
      promised((ticket) => native.adviseOnFile(settler, ticket, filePath)),
    )
    return advice.recommendation === 'streaming' ? { ...advice, chunkSize } : advice
  }

  /**
   * @param {unknown} data
   * @returns {types.DataAdvice}
   */
  static optimizeDataStructures(data) {
    if (Array.isArray(data)) return native.adviseOnData(data.length, 0)
    // The keys of a buffer would be a string for each byte.
    const isObject = typeof data === 'object' && data !== null && !ArrayBuffer.isView(data)
    return native.adviseOnData(undefined, isObject ? Object.keys(data).length : 0)
  }

  /**
   * @param {string} [tmpDir]
   * @returns {Promise<string[]>}
   */
  static async cleanupTemporaryFiles(tmpDir) {
    // `path.normalize` makes the working directory of it.
    if (tmpDir === '') throw args.invalidValue('tmpDir', 'must not be empty', tmpDir)
    const folder = path.normalize(
      tmpDir === undefined ? os.tmpdir() : args.string('tmpDir', tmpDir),
    )
    const ownOnly = tmpDir === undefined
    return traced(
      promised((ticket) => native.cleanUpTemporaryFiles(settler, ticket, folder, ownOnly)),
    )
  }
}

module.exports = { MemoryOptimizer }
