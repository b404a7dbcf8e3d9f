// @ts-check
'use strict'

const { getHeapStatistics } = require('node:v8')

/** @import * as types from '../file-batch-processor.js' */

/** How often progress is told while nothing settles, in milliseconds. */
const PROGRESS_INTERVAL = 250

/** A promise that is out. One object each: a closure for every way it may end would be several. */
class Operation {
  /**
   * @param {InFlight} inFlight
   * @param {(value: any) => void} resolvePromise
   * @param {((value: any) => unknown) | undefined} convert
   * @param {AbortSignal | undefined} signal
   */
  constructor(inFlight, resolvePromise, convert, signal) {
    this.inFlight = inFlight
    this.resolvePromise = resolvePromise
    this.convert = convert
    this.signal = signal
    /** @type {(() => void) | undefined} */
    this.stopListening = undefined
    this.onEvent = undefined
  }

  /** @param {any} value */
  resolve(value) {
    this.stopListening?.()
    this.inFlight.settled()
    try {
      this.resolvePromise(this.convert ? this.convert(value) : value)
    } catch (error) {
      this.resolvePromise(Promise.reject(error)) // The text is longer than a string can be.
    }
  }

  /** @param {unknown} reason */
  reject(reason) {
    this.stopListening?.()
    this.inFlight.failed++
    this.inFlight.settled()
    const { signal } = this
    this.resolvePromise(signal?.aborted ? Promise.reject(signal.reason) : failing(reason))
  }
}

/**
 * Fails with the stack of the caller, who awaits it: an error that arrives from another thread has none. The
 * first turn of the microtask queue leads the caller's promise here, the second lets V8 see the way back.
 *
 * @param {unknown} error
 */
async function failing(error) {
  await undefined
  await undefined
  if (error instanceof Error) Error.captureStackTrace(error, failing)
  throw error
}

/** Counts the promises that are out, and tells how it goes. */
class InFlight {
  unsettled = 0
  completed = 0
  failed = 0
  /** Bytes, when the last batch ended. */
  heapUsed = 0
  #processor
  #settledSinceSample = 0
  #progressIsDue = false
  /** @type {NodeJS.Timeout | undefined} */
  #progressTimer
  /** @type {((value?: unknown) => void)[]} */
  #waiting = []

  /** @param {types.FileBatchProcessor} processor hears of progress */
  constructor(processor) {
    this.#processor = processor
  }

  /**
   * @param {(value: any) => void} resolve
   * @param {((value: any) => unknown) | undefined} convert
   * @param {AbortSignal | undefined} signal
   */
  begin(resolve, convert, signal) {
    this.unsettled++
    if (!this.#progressTimer && this.#isWatched()) {
      this.#progressTimer = setInterval(() => this.#tellProgress(), PROGRESS_INTERVAL).unref()
    }
    return new Operation(this, resolve, convert, signal)
  }

  settled() {
    this.unsettled--
    this.completed++
    if (!this.#progressIsDue && this.#isWatched()) {
      this.#progressIsDue = true
      queueMicrotask(() => this.#tellProgress())
    }
    if (++this.#settledSinceSample < this.#processor.batchSize && this.unsettled > 0) return
    this.#settledSinceSample = 0
    this.heapUsed = getHeapStatistics().used_heap_size
    if (this.unsettled > 0) return
    clearInterval(this.#progressTimer)
    this.#progressTimer = undefined
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** Resolves when nothing is out, and what settled last has been heard of. */
  async idle() {
    while (this.unsettled > 0) {
      await new Promise((resolve) => this.#waiting.push(resolve))
      // Failures reach their callers some microtasks later, who may ask for more then.
      await new Promise(setImmediate)
    }
  }

  #isWatched() {
    return this.#processor.listenerCount('progress') > 0
  }

  #tellProgress() {
    this.#progressIsDue = false
    this.#processor.emit('progress', {
      completed: this.completed,
      failed: this.failed,
      total: this.completed + this.unsettled,
      bytes: this.#processor.getStats().bytes,
    })
  }
}

module.exports = { InFlight }
