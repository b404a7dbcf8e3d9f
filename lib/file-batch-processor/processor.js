// @ts-check
'use strict'

const { EventEmitter } = require('node:events')
const { getHeapStatistics } = require('node:v8')
const args = require('../internal/arguments.js')
const { traced } = require('../internal/errors.js')
const native = require('../internal/native.js')
const { open, settler, take } = require('../internal/settle.js')
const { onAbort } = require('../internal/signal.js')
const { isUtf8, toContent } = require('./content.js')
const { FileStats, toEntries } = require('./file-stats.js')
const { Staging, algorithms, flags, kinds } = require('./staging.js')

/** @import * as types from '../file-batch-processor.js' */

/**
 * What an operation is, besides its kind and paths.
 *
 * @typedef {object} Request
 * @property {string | Buffer} [content]
 * @property {number} [mode] permissions, or the number of an algorithm
 * @property {number} [bits] flags
 * @property {(value: any) => unknown} [convert] makes the result of what native code reports
 */

/** How often progress is told while nothing settles, in milliseconds. */
const PROGRESS_INTERVAL = 250

/**
 * @extends {EventEmitter<{ progress: [types.FileBatchProgress] }>}
 * @implements {types.FileBatchProcessor}
 */
class FileBatchProcessor extends EventEmitter {
  #native
  #maxConcurrency
  #batchSize
  #staged = new Staging()
  #paused = false
  /** @type {number[]} */
  #aborted = []
  #unsettled = 0
  #completed = 0
  #failed = 0
  #progressIsDue = false
  /** @type {NodeJS.Timeout | undefined} */
  #progressTimer
  #settledSinceSample = 0
  #heapUsed = 0
  /** @type {((value?: unknown) => void)[]} */
  #waiting = []

  /** @param {types.FileBatchProcessorOptions} [options] */
  constructor(options = {}) {
    super()
    args.object('options', options)
    this.#maxConcurrency = concurrency(options.maxConcurrency || 10)
    this.#batchSize = args.limit('batchSize', options.batchSize || 50)
    this.#native = new native.NativeFileProcessor(settler, ...this.#settings())
  }

  get maxConcurrency() {
    return this.#maxConcurrency
  }

  set maxConcurrency(value) {
    this.#maxConcurrency = concurrency(value)
    this.#native.configure(...this.#settings())
  }

  get batchSize() {
    return this.#batchSize
  }

  set batchSize(value) {
    this.#batchSize = args.limit('batchSize', value)
    this.#native.configure(...this.#settings())
  }

  get paused() {
    return this.#paused
  }

  pause() {
    this.#paused = true
    this.#native.pause(true)
  }

  resume() {
    this.#paused = false
    this.#native.pause(false)
  }

  /**
   * @param {types.Path} filePath
   * @param {types.ReadOptions} [options]
   * @returns {Promise<any>}
   */
  async addReadOperation(filePath, options = {}) {
    const paths = [args.path('filePath', filePath)]
    args.object('options', options)
    if (options.encoding === 'buffer') return await traced(this.#add(kinds.READ, paths, options))
    const encoding = args.encoding(options.encoding || 'utf8')
    const bits = isUtf8(encoding) ? flags.TEXT : 0
    // What is a string already was decoded on its way.
    const convert = (/** @type {string | Buffer} */ value) =>
      typeof value === 'string' ? value : value.toString(encoding)
    return await traced(this.#add(kinds.READ, paths, options, { bits, convert }))
  }

  /**
   * @param {types.Path} filePath
   * @param {types.Content} content
   * @param {types.WriteOptions} [options]
   * @returns {Promise<void>}
   */
  async addWriteOperation(filePath, content, options = {}) {
    const paths = [args.path('filePath', filePath)]
    await traced(this.#add(kinds.WRITE, paths, options, writing(content, options)))
  }

  /**
   * @param {types.Path} filePath
   * @param {types.Content} content
   * @param {types.AppendOptions} [options]
   * @returns {Promise<void>}
   */
  async addAppendOperation(filePath, content, options = {}) {
    const paths = [args.path('filePath', filePath)]
    await traced(this.#add(kinds.APPEND, paths, options, writing(content, options)))
  }

  /**
   * @param {types.Path} source
   * @param {types.Path} destination
   * @param {types.CopyOptions} [options]
   * @returns {Promise<void>}
   */
  async addCopyOperation(source, destination, options = {}) {
    const paths = both(source, destination)
    await traced(this.#add(kinds.COPY, paths, options, { bits: copyBits(options) }))
  }

  /**
   * @param {types.Path} source
   * @param {types.Path} destination
   * @param {types.CopyOptions} [options]
   * @returns {Promise<void>}
   */
  async addCopyDirectoryOperation(source, destination, options = {}) {
    const paths = both(source, destination)
    await traced(this.#add(kinds.COPY_DIRECTORY, paths, options, { bits: copyBits(options) }))
  }

  /**
   * @param {types.Path} source
   * @param {types.Path} destination
   * @param {types.OperationOptions} [options]
   * @returns {Promise<void>}
   */
  async addMoveOperation(source, destination, options = {}) {
    const paths = both(source, destination)
    args.object('options', options)
    await traced(this.#add(kinds.MOVE, paths, options))
  }

  /**
   * @param {types.Path} path
   * @param {types.RemoveOptions} [options]
   * @returns {Promise<void>}
   */
  async addRemoveOperation(path, options = {}) {
    const paths = [args.path('path', path)]
    args.object('options', options)
    const bits = (options.recursive ? flags.RECURSIVE : 0) | (options.force ? flags.FORCE : 0)
    await traced(this.#add(kinds.REMOVE, paths, options, { bits }))
  }

  /**
   * @param {types.Path} dirPath
   * @param {types.MkdirOptions} [options]
   * @returns {Promise<string | undefined>}
   */
  async addMkdirOperation(dirPath, options = {}) {
    const paths = [args.path('dirPath', dirPath)]
    args.object('options', options)
    const mode = args.mode('mode', options.mode ?? 0o777)
    return await traced(this.#add(kinds.MKDIR, paths, options, { mode }))
  }

  /**
   * @param {types.Path} path
   * @param {types.StatOptions} [options]
   * @returns {Promise<types.FileStats>}
   */
  async addStatOperation(path, options = {}) {
    const paths = [args.path('path', path)]
    args.object('options', options)
    const bits = options.followLinks === false ? 0 : flags.FOLLOW
    const convert = (/** @type {number[]} */ numbers) => new FileStats(numbers)
    return await traced(this.#add(kinds.STAT, paths, options, { bits, convert }))
  }

  /**
   * @param {types.Path} dirPath
   * @param {types.ReaddirOptions} [options]
   * @returns {Promise<any>}
   */
  async addReaddirOperation(dirPath, options = {}) {
    const paths = [args.path('dirPath', dirPath)]
    args.object('options', options)
    const { encoding, withFileTypes } = options
    if (encoding && encoding !== 'buffer' && !isUtf8(encoding)) {
      throw args.invalidValue('encoding', "must be 'utf8' or 'buffer'", encoding)
    }
    const bits = encoding === 'buffer' ? 0 : flags.TEXT
    const convert = (/** @type {string | Buffer} */ list) => {
      const entries = toEntries(list)
      return withFileTypes ? entries : entries.map(({ name }) => name)
    }
    return await traced(this.#add(kinds.READDIR, paths, options, { bits, convert }))
  }

  /**
   * @param {types.Path} filePath
   * @param {types.HashAlgorithm} [algorithm]
   * @param {types.OperationOptions} [options]
   * @returns {Promise<string>}
   */
  async addHashOperation(filePath, algorithm = 'sha256', options = {}) {
    const paths = [args.path('filePath', filePath)]
    args.object('options', options)
    const mode = algorithms.indexOf(args.string('algorithm', algorithm).toLowerCase())
    if (mode < 0) {
      throw args.invalidValue('algorithm', `must be one of: ${algorithms.join(', ')}`, algorithm)
    }
    return await traced(this.#add(kinds.HASH, paths, options, { mode }))
  }

  getStats() {
    const stats = this.#native.stats()
    return {
      totalOperations: stats.totalOperations,
      successfulOperations: stats.successfulOperations,
      failedOperations: stats.failedOperations,
      averageProcessingTime: stats.averageProcessingTime,
      memoryUsage: this.#heapUsed,
      queueLength: stats.queueLength + this.#staged.length,
      isProcessing: this.#unsettled > 0,
      successRate: stats.successRate,
      bytes: stats.bytes,
      ...(stats.decisions && { concurrency: toDecisions(stats.decisions) }),
    }
  }

  clearQueue() {
    this.#native.clear(Uint32Array.from(this.#takeStaged().tickets()))
  }

  /** @returns {Promise<void>} */
  async waitForCompletion() {
    if (this.#unsettled > 0) await new Promise((resolve) => this.#waiting.push(resolve))
  }

  /**
   * Stages an operation; those of one turn of the event loop go over in one call.
   *
   * @param {number} kind
   * @param {(string | Buffer)[]} paths
   * @param {types.OperationOptions} options
   * @param {Request} [request]
   * @returns {Promise<any>}
   */
  #add(kind, paths, options, { content, mode = 0, bits = 0, convert } = {}) {
    return new Promise((resolve, reject) => {
      const { signal, priority = 0 } = options
      if (signal) args.instance('signal', signal, AbortSignal).throwIfAborted()
      args.integer('priority', priority, -(2 ** 31))
      const ticket = open({
        resolve: (value) => {
          stop?.()
          this.#settled()
          try {
            resolve(convert ? convert(value) : value)
          } catch (error) {
            reject(error) // The text is longer than a string can be.
          }
        },
        reject: (reason) => {
          stop?.()
          this.#failed++
          this.#settled()
          reject(signal?.aborted ? signal.reason : reason)
        },
      })
      const stop = signal && onAbort(signal, () => this.#abort(ticket))
      this.#unsettled++
      this.#stage()
      const cancellable = signal ? flags.CANCELLABLE : 0
      this.#staged.add(ticket, kind, mode, bits | cancellable, priority, paths, content)
    })
  }

  /** Whatever the turn brings goes over when it ends. */
  #stage() {
    if (this.#staged.length + this.#aborted.length === 0) queueMicrotask(() => this.#flush())
    if (this.#progressTimer || this.listenerCount('progress') === 0) return
    this.#progressTimer = setInterval(() => this.#tellProgress(), PROGRESS_INTERVAL).unref()
  }

  /** @param {number} ticket */
  #abort(ticket) {
    this.#stage()
    this.#aborted.push(ticket)
  }

  #flush() {
    const staged = this.#takeStaged()
    const aborted = this.#aborted.splice(0)
    if (staged.length > 0) {
      try {
        this.#native.add(...staged.packed())
      } catch (error) {
        for (const ticket of staged.tickets()) take(ticket)?.reject(error)
      }
    }
    if (aborted.length > 0) this.#native.cancel(Uint32Array.from(aborted))
  }

  #takeStaged() {
    const staged = this.#staged
    this.#staged = new Staging()
    return staged
  }

  #settled() {
    this.#unsettled--
    this.#completed++
    if (!this.#progressIsDue && this.listenerCount('progress') > 0) {
      this.#progressIsDue = true
      queueMicrotask(() => this.#tellProgress())
    }
    if (++this.#settledSinceSample < this.#batchSize && this.#unsettled > 0) return
    this.#settledSinceSample = 0
    this.#heapUsed = getHeapStatistics().used_heap_size
    if (this.#unsettled > 0) return
    clearInterval(this.#progressTimer)
    this.#progressTimer = undefined
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  #tellProgress() {
    this.#progressIsDue = false
    this.emit('progress', {
      completed: this.#completed,
      failed: this.#failed,
      total: this.#completed + this.#unsettled,
      bytes: this.#native.stats().bytes,
    })
  }

  /** @returns {[maxConcurrency: number, batchSize: number]} */
  #settings() {
    const most = 2 ** 32 - 1
    const limit = this.#maxConcurrency === 'auto' ? 0 : Math.min(this.#maxConcurrency, most)
    return [limit, Math.min(this.#batchSize, most)]
  }
}

/**
 * @param {unknown} value
 * @returns {number | 'auto'}
 */
function concurrency(value) {
  return value === 'auto' ? value : args.limit('maxConcurrency', value)
}

/** @param {number[]} decisions */
function toDecisions([limit, raised, lowered]) {
  return { limit, raised, lowered }
}

/**
 * @param {types.Path} source
 * @param {types.Path} destination
 */
function both(source, destination) {
  return [args.path('source', source), args.path('destination', destination)]
}

/**
 * @param {types.Content} content
 * @param {types.WriteOptions} options
 * @returns {Request}
 */
function writing(content, options) {
  const bits = copyBits(options)
  const encoding = args.encoding(options.encoding || 'utf8')
  const mode = args.mode('mode', options.mode ?? 0o666)
  return { content: toContent(content, encoding), mode, bits }
}

/** @param {types.CopyOptions} options */
function copyBits(options) {
  const { atomic = true, fsync, preserveTimestamps } = args.object('options', options)
  return (
    (atomic ? flags.ATOMIC : 0) |
    (fsync ? flags.DURABLE : 0) |
    (preserveTimestamps ? flags.TIMES : 0)
  )
}

module.exports = { FileBatchProcessor }
