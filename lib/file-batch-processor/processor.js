// @ts-check
'use strict'

const { EventEmitter } = require('node:events')
const args = require('../internal/arguments.js')
const native = require('../internal/native.js')
const { open, settler, take } = require('../internal/settle.js')
const { onAbort } = require('../internal/signal.js')
const { InFlight } = require('./in-flight.js')
const requests = require('./requests.js')
const { Staging, flags, kinds } = require('./staging.js')

/** @import * as types from '../file-batch-processor.js' */

/**
 * @extends {EventEmitter<{ progress: [types.FileBatchProgress] }>}
 * @implements {types.FileBatchProcessor}
 */
class FileBatchProcessor extends EventEmitter {
  #native
  #maxConcurrency
  #batchSize
  #staged = new Staging()
  #inFlight = new InFlight(this)
  #flushIsDue = false
  #paused = false
  /** @type {number[]} */
  #aborted = []

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
  addReadOperation(filePath, options = {}) {
    return new Promise((resolve) => this.#add(requests.read(filePath, options), options, resolve))
  }

  /**
   * @param {types.Path} filePath
   * @param {types.Content} content
   * @param {types.WriteOptions} [options]
   * @returns {Promise<void>}
   */
  addWriteOperation(filePath, content, options = {}) {
    return new Promise((resolve) =>
      this.#add(requests.write(kinds.WRITE, filePath, content, options), options, resolve),
    )
  }

  /**
   * @param {types.Path} filePath
   * @param {types.Content} content
   * @param {types.AppendOptions} [options]
   * @returns {Promise<void>}
   */
  addAppendOperation(filePath, content, options = {}) {
    return new Promise((resolve) =>
      this.#add(requests.write(kinds.APPEND, filePath, content, options), options, resolve),
    )
  }

  /**
   * @param {types.Path} source
   * @param {types.Path} destination
   * @param {types.CopyOptions} [options]
   * @returns {Promise<void>}
   */
  addCopyOperation(source, destination, options = {}) {
    return new Promise((resolve) =>
      this.#add(requests.copy(kinds.COPY, source, destination, options), options, resolve),
    )
  }

  /**
   * @param {types.Path} source
   * @param {types.Path} destination
   * @param {types.CopyOptions} [options]
   * @returns {Promise<void>}
   */
  addCopyDirectoryOperation(source, destination, options = {}) {
    return new Promise((resolve) =>
      this.#add(
        requests.copy(kinds.COPY_DIRECTORY, source, destination, options),
        options,
        resolve,
      ),
    )
  }

  /**
   * @param {types.Path} source
   * @param {types.Path} destination
   * @param {types.OperationOptions} [options]
   * @returns {Promise<void>}
   */
  addMoveOperation(source, destination, options = {}) {
    return new Promise((resolve) =>
      this.#add(requests.move(source, destination, options), options, resolve),
    )
  }

  /**
   * @param {types.Path} path
   * @param {types.RemoveOptions} [options]
   * @returns {Promise<void>}
   */
  addRemoveOperation(path, options = {}) {
    return new Promise((resolve) => this.#add(requests.remove(path, options), options, resolve))
  }

  /**
   * @param {types.Path} dirPath
   * @param {types.MkdirOptions} [options]
   * @returns {Promise<string | undefined>}
   */
  addMkdirOperation(dirPath, options = {}) {
    return new Promise((resolve) => this.#add(requests.mkdir(dirPath, options), options, resolve))
  }

  /**
   * @param {types.Path} path
   * @param {types.StatOptions} [options]
   * @returns {Promise<types.FileStats>}
   */
  addStatOperation(path, options = {}) {
    return new Promise((resolve) => this.#add(requests.stat(path, options), options, resolve))
  }

  /**
   * @param {types.Path} dirPath
   * @param {types.ReaddirOptions} [options]
   * @returns {Promise<any>}
   */
  addReaddirOperation(dirPath, options = {}) {
    return new Promise((resolve) => this.#add(requests.readdir(dirPath, options), options, resolve))
  }

  /**
   * @param {types.Path} filePath
   * @param {types.HashAlgorithm} [algorithm]
   * @param {types.OperationOptions} [options]
   * @returns {Promise<string>}
   */
  addHashOperation(filePath, algorithm = 'sha256', options = {}) {
    return new Promise((resolve) =>
      this.#add(requests.hash(filePath, algorithm, options), options, resolve),
    )
  }

  getStats() {
    const stats = this.#native.stats()
    return {
      totalOperations: stats.totalOperations,
      successfulOperations: stats.successfulOperations,
      failedOperations: stats.failedOperations,
      averageProcessingTime: stats.averageProcessingTime,
      memoryUsage: this.#inFlight.heapUsed,
      queueLength: stats.queueLength + this.#staged.length,
      isProcessing: this.#inFlight.unsettled > 0,
      successRate: stats.successRate,
      bytes: stats.bytes,
      ...(stats.decisions && { concurrency: toDecisions(stats.decisions) }),
    }
  }

  clearQueue() {
    this.#native.clear(new Uint32Array(this.#staged.clear()))
  }

  /** @returns {Promise<void>} */
  async waitForCompletion() {
    await this.#inFlight.idle()
  }

  /**
   * Stages an operation; those of one turn of the event loop go over in one call.
   *
   * @param {requests.Request} request
   * @param {types.OperationOptions} options
   * @param {(value: any) => void} resolve
   */
  #add(request, { signal, priority = 0 }, resolve) {
    if (signal) args.instance('signal', signal, AbortSignal).throwIfAborted()
    args.integer('priority', priority, -(2 ** 31))
    const operation = this.#inFlight.begin(resolve, request.convert, signal)
    const ticket = open(operation)
    if (signal) operation.stopListening = onAbort(signal, () => this.#abort(ticket))
    this.#stage()
    this.#staged.add(ticket, request, signal ? flags.CANCELLABLE : 0, priority)
  }

  /** Whatever the turn brings goes over when it ends. */
  #stage() {
    if (this.#flushIsDue) return
    this.#flushIsDue = true
    queueMicrotask(() => this.#flush())
  }

  /** @param {number} ticket */
  #abort(ticket) {
    this.#stage()
    this.#aborted.push(ticket)
  }

  /** Hands over what was staged, a part in each turn if it is much, and then what was aborted of it. */
  #flush() {
    const { tickets, operations } = this.#staged.next()
    try {
      if (tickets.length > 0) this.#native.add(...operations)
    } catch (error) {
      for (const ticket of tickets) take(ticket)?.reject(error)
    }
    if (this.#staged.length > 0) return setImmediate(() => this.#flush())
    this.#flushIsDue = false
    const aborted = this.#aborted.splice(0)
    if (aborted.length > 0) this.#native.cancel(Uint32Array.from(aborted))
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

module.exports = { FileBatchProcessor }
