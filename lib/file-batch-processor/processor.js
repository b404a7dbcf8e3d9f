// @ts-check
'use strict'

const { getHeapStatistics } = require('node:v8')
const args = require('../internal/arguments.js')
const { traced } = require('../internal/errors.js')
const native = require('../internal/native.js')
const { open, settler, take } = require('../internal/settle.js')

/** @import * as types from '../file-batch-processor.js' */

// The native side's numbers for kinds of operations and for flags.
const READ_TEXT = 0
const READ_BYTES = 1
const WRITE = 2
const COPY = 3
const MKDIR = 4
const ATOMIC = 1
const DURABLE = 2

/** @implements {types.FileBatchProcessor} */
class FileBatchProcessor {
  #native
  #maxConcurrency
  #batchSize
  /** @type {{ numbers: number[], paths: string[], contents: (string | Buffer)[] }} */
  #staged = { numbers: [], paths: [], contents: [] }
  #unsettled = 0
  #settledSinceSample = 0
  #heapUsed = 0
  /** @type {((value?: unknown) => void)[]} */
  #waiting = []

  /** @param {types.FileBatchProcessorOptions} [options] */
  constructor(options = {}) {
    args.object('options', options)
    this.#maxConcurrency = args.limit('maxConcurrency', options.maxConcurrency || 10)
    this.#batchSize = args.limit('batchSize', options.batchSize || 50)
    this.#native = new native.NativeFileProcessor(settler, ...this.#settings())
  }

  get maxConcurrency() {
    return this.#maxConcurrency
  }

  set maxConcurrency(value) {
    this.#maxConcurrency = args.limit('maxConcurrency', value)
    this.#native.configure(...this.#settings())
  }

  get batchSize() {
    return this.#batchSize
  }

  set batchSize(value) {
    this.#batchSize = args.limit('batchSize', value)
    this.#native.configure(...this.#settings())
  }

  /**
   * @param {string | URL} filePath
   * @param {types.ReadOptions} [options]
   * @returns {Promise<any>}
   */
  async addReadOperation(filePath, options = {}) {
    const path = args.path('filePath', filePath)
    args.object('options', options)
    if (options.encoding === 'buffer') return await traced(this.#add(READ_BYTES, path))
    const encoding = args.encoding(options.encoding || 'utf8')
    const kind = isUtf8(encoding) ? READ_TEXT : READ_BYTES
    return await traced(this.#add(kind, path, { encoding }))
  }

  /**
   * @param {string | URL} filePath
   * @param {types.Content} content
   * @param {types.WriteOptions} [options]
   * @returns {Promise<void>}
   */
  async addWriteOperation(filePath, content, options = {}) {
    const path = args.path('filePath', filePath)
    args.object('options', options)
    const encoding = args.encoding(options.encoding || 'utf8')
    const mode = args.mode('mode', options.mode ?? 0o666)
    const { atomic, fsync } = options
    await traced(
      this.#add(WRITE, path, { content: toContent(content, encoding), mode, atomic, fsync }),
    )
  }

  /**
   * @param {string | URL} source
   * @param {string | URL} destination
   * @param {types.CopyOptions} [options]
   * @returns {Promise<void>}
   */
  async addCopyOperation(source, destination, options = {}) {
    const paths = `${args.path('source', source)}\0${args.path('destination', destination)}`
    args.object('options', options)
    await traced(this.#add(COPY, paths, { atomic: options.atomic, fsync: options.fsync }))
  }

  /**
   * @param {string | URL} dirPath
   * @param {types.MkdirOptions} [options]
   * @returns {Promise<string | undefined>}
   */
  async addMkdirOperation(dirPath, options = {}) {
    const path = args.path('dirPath', dirPath)
    args.object('options', options)
    const mode = args.mode('mode', options.mode ?? 0o777)
    return await traced(this.#add(MKDIR, path, { mode }))
  }

  getStats() {
    const stats = this.#native.stats()
    return {
      totalOperations: stats.totalOperations,
      successfulOperations: stats.successfulOperations,
      failedOperations: stats.failedOperations,
      averageProcessingTime: stats.averageProcessingTime,
      memoryUsage: this.#heapUsed,
      queueLength: stats.queueLength + this.#staged.paths.length,
      isProcessing: this.#unsettled > 0,
      successRate: stats.successRate,
    }
  }

  clearQueue() {
    const { numbers } = this.#takeStaged()
    this.#native.clear(Uint32Array.from(tickets(numbers)))
  }

  /** @returns {Promise<void>} */
  async waitForCompletion() {
    if (this.#unsettled > 0) await new Promise((resolve) => this.#waiting.push(resolve))
  }

  /**
   * Stages an operation; those of one turn of the event loop go over in one call.
   *
   * @param {number} kind
   * @param {string} paths
   * @param {{ content?: string | Buffer, mode?: number, atomic?: boolean, fsync?: boolean,
   *   encoding?: BufferEncoding }} [options]
   * @returns {Promise<any>}
   */
  #add(kind, paths, { content, mode = 0, atomic = true, fsync = false, encoding } = {}) {
    return new Promise((resolve, reject) => {
      const ticket = open({
        resolve: (value) => {
          this.#settled()
          // What is a string already was decoded on its way.
          if (encoding && typeof value !== 'string') decode(value, encoding, resolve, reject)
          else resolve(value)
        },
        reject: (reason) => {
          this.#settled()
          reject(reason)
        },
      })
      this.#unsettled++
      if (this.#staged.paths.length === 0) queueMicrotask(() => this.#flush())
      const flags = (atomic ? ATOMIC : 0) | (fsync ? DURABLE : 0)
      this.#staged.numbers.push(ticket, kind, mode, flags)
      this.#staged.paths.push(paths)
      if (content !== undefined) this.#staged.contents.push(content)
    })
  }

  #flush() {
    const { numbers, paths, contents } = this.#takeStaged()
    if (paths.length === 0) return
    try {
      this.#native.add(Uint32Array.from(numbers), paths.join('\0'), contents)
    } catch (error) {
      for (const ticket of tickets(numbers)) take(ticket)?.reject(error)
    }
  }

  #takeStaged() {
    const staged = this.#staged
    this.#staged = { numbers: [], paths: [], contents: [] }
    return staged
  }

  #settled() {
    this.#unsettled--
    if (++this.#settledSinceSample < this.#batchSize && this.#unsettled > 0) return
    this.#settledSinceSample = 0
    this.#heapUsed = getHeapStatistics().used_heap_size
    if (this.#unsettled === 0) for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** @returns {[maxConcurrency: number, batchSize: number]} */
  #settings() {
    const most = 2 ** 32 - 1
    return [Math.min(this.#maxConcurrency, most), Math.min(this.#batchSize, most)]
  }
}

/**
 * The first of the four numbers of each operation.
 *
 * @param {number[]} numbers
 */
function tickets(numbers) {
  return numbers.filter((_, index) => index % 4 === 0)
}

/** @param {string} encoding */
function isUtf8(encoding) {
  return /^utf-?8$/i.test(encoding)
}

/**
 * @param {Buffer} bytes
 * @param {BufferEncoding} encoding
 * @param {(text: string) => void} resolve
 * @param {(reason: unknown) => void} reject
 */
function decode(bytes, encoding, resolve, reject) {
  try {
    resolve(bytes.toString(encoding))
  } catch (error) {
    reject(error) // The text is longer than a string can be.
  }
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

module.exports = { FileBatchProcessor }
