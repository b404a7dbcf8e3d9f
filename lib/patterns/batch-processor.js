// @ts-check
'use strict'

const args = require('../internal/arguments.js')

/** @import * as types from '../patterns.js' */

/**
 * @template T, R
 * @typedef {{ item: T, resolve(value?: R): void, reject(reason: unknown): void }} Entry
 */

/**
 * @template T, R
 * @implements {types.BatchProcessor<T, R>}
 */
class BatchProcessor {
  /** @type {Entry<T, R>[]} */
  #queue = []
  /** Batches that wait for their turn to start. @type {(() => void)[]} */
  #waiting = []
  /** Batches that are not done. @type {Set<Promise<void>>} */
  #batches = new Set()
  #running = 0
  #maxWait
  #concurrency
  #batchSize
  /** @type {NodeJS.Timeout | undefined} */
  #timer

  /**
   * @param {number} batchSize
   * @param {(items: T[]) => any} processFn
   * @param {types.BatchProcessorOptions} [options]
   */
  constructor(batchSize, processFn, options = {}) {
    this.#batchSize = args.integer('batchSize', batchSize, 1)
    this.processFn = args.callback('processFn', processFn)
    const { maxWait, concurrency = Infinity } = args.object('options', options)
    this.#maxWait =
      maxWait === undefined ? undefined : args.number('options.maxWait', maxWait, 0, 2 ** 31 - 1)
    this.#concurrency = args.limit('options.concurrency', concurrency)
  }

  get batchSize() {
    return this.#batchSize
  }

  /** From the next batch on. */
  set batchSize(batchSize) {
    this.#batchSize = args.integer('batchSize', batchSize, 1)
  }

  /** How many items wait for their batch to fill. */
  get size() {
    return this.#queue.length
  }

  /**
   * @param {T} item
   * @returns {Promise<any>}
   */
  async add(item) {
    if (this.#maxWait !== undefined) return await this.#addTimed(item, this.#maxWait)
    this.#queue.push({ item, resolve() {}, reject() {} })
    if (this.#queue.length >= this.#batchSize) await this.#startBatch()
  }

  async flush() {
    this.#startAll()
    const outcomes = await Promise.allSettled(this.#batches)
    const failed = outcomes.find(({ status }) => status === 'rejected')
    if (failed) throw /** @type {PromiseRejectedResult} */ (failed).reason
  }

  /**
   * @param {T} item
   * @param {number} maxWait
   */
  #addTimed(item, maxWait) {
    const done = new Promise((resolve, reject) => this.#queue.push({ item, resolve, reject }))
    if (this.#queue.length >= this.#batchSize) this.#startAll()
    else this.#timer ??= setTimeout(() => this.#startAll(), maxWait)
    return done
  }

  /** Whoever added or flushes is told of a failure. */
  #startAll() {
    while (this.#queue.length > 0) this.#startBatch().catch(() => {})
  }

  #startBatch() {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const entries = this.#queue.splice(0, this.#batchSize)
    const batch = this.#process(entries)
    this.#batches.add(batch)
    const forget = () => this.#batches.delete(batch)
    batch.then(forget, forget)
    return batch
  }

  /** @param {Entry<T, R>[]} entries */
  async #process(entries) {
    if (this.#running >= this.#concurrency) {
      await new Promise((resolve) => this.#waiting.push(() => resolve(undefined)))
    } else {
      this.#running++
    }
    try {
      const failure = route(entries, await this.processFn(entries.map(({ item }) => item)))
      // Without a time to wait nobody awaits an item: whoever awaits the batch is told.
      if (failure && this.#maxWait === undefined) throw failure
    } catch (error) {
      for (const { reject } of entries) reject(error)
      throw error
    } finally {
      // A batch that waits takes over the place.
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running--
    }
  }
}

/**
 * Gives everyone who added an item its own result, or its own error.
 *
 * @param {Entry<any, any>[]} entries
 * @param {unknown} results
 * @returns {Error | undefined} the first failure of an item
 */
function route(entries, results) {
  const each = Array.isArray(results) && results.length === entries.length ? results : undefined
  entries.forEach(({ resolve, reject }, index) => {
    const result = each?.[index]
    if (result instanceof Error) reject(result)
    else resolve(result)
  })
  return each?.find((result) => result instanceof Error)
}

module.exports = { BatchProcessor }
