// @ts-check
'use strict'

// What happens around the loops: readings of the heap, time limits, turns for timers and I/O, an end.

const { setImmediate: turn } = require('node:timers/promises')
const v8 = require('node:v8')
const { TimeoutError } = require('./watchdog.js')

/** How long calls may follow each other before the heap is read, in milliseconds: reading takes a fiftieth of it. */
const SPAN = 0.02

/** How long calls may follow each other before timers and I/O get a turn, in milliseconds. */
const YIELD_AFTER = 50

/** Timings kept here before they are handed over. */
const CAPACITY = 8192

/** The successful calls of a round of several at once. */
class Round {
  /** @param {number} successful */
  constructor(successful) {
    this.successful = successful
  }
}

/**
 * A row of calls, and what came of them. Timings are handed over in pieces, so their number costs no memory here.
 *
 * The loops read and write the fields that have no `#` directly.
 */
class Run {
  /** Timings to take. */
  left = 0
  /** Calls a timing. */
  batch = 1
  /** What a batch may take, in milliseconds. */
  limit
  /** When the loops have to come to rest. */
  pause = 0
  durations = new Float64Array(CAPACITY)
  rates = new Float64Array(CAPACITY)
  filled = 0
  /** When the batch started whose promise is pending, and which of its calls that is. */
  started = 0
  begun = 0
  /** Asynchronous calls that ended. */
  calls = 0
  /** Counts up when a call is given up. */
  attempt = 0
  errors = 0
  /** @type {unknown} */
  firstError

  #heaps = new Float64Array(CAPACITY)
  #heap = 0
  #spanStart = 0
  #end = Infinity
  #yielded = 0
  #asynchronous = false
  #stopped = false
  #untilLate = false
  #controller = new AbortController()
  #options
  #loops
  /** @type {(() => void) | undefined} */
  #giveUp

  /**
   * @param {(context: { signal: AbortSignal }) => unknown} fn
   * @param {object} options
   * @param {number} options.timeout milliseconds a call
   * @param {{ clock: number, heap: number, call: number }} options.overhead what measuring adds: `clock` to a timing of one
   *   call, `call` for each further one, `heap` to a reading of the heap
   * @param {typeof import('./loop.js')} options.loops
   * @param {() => void} [options.onTurn] called before timers and I/O get a turn
   */
  constructor(fn, { loops, ...options }) {
    this.fn = fn
    this.#options = options
    this.#loops = loops
    this.limit = options.timeout
    this.context = { signal: this.#controller.signal }
  }

  /**
   * Makes calls until `count` timings are taken or `time` is over, and hands the timings over. Never rejects.
   *
   * @param {object} extent
   * @param {number} [extent.count]
   * @param {number} [extent.time] milliseconds
   * @param {number} [extent.batch] calls a timing
   * @param {boolean} [extent.untilLate] ends with the first call that takes too long
   * @param {(durations: Float64Array, heaps: Float64Array, rates: Float64Array) => void} take is given milliseconds,
   *   bytes and rates a call; the arrays are used again
   */
  async take({ count = Infinity, time = Infinity, batch = 1, untilLate = false }, take) {
    this.left = count
    this.batch = batch
    this.limit = this.#options.timeout * batch
    this.errors = 0
    this.firstError = undefined
    this.#untilLate = untilLate
    const start = performance.now()
    this.#end = start + time
    this.#yielded = start
    while (this.left > 0 && performance.now() < this.#end && !this.#stopped) {
      this.#startSpan()
      const pending = this.#asynchronous ? undefined : this.#loops.callAll(this)
      if (pending) this.#asynchronous = true
      if (this.#asynchronous) await this.#awaitAll(pending)
      this.#closeSpan()
      this.#handOver(take)
      if (performance.now() - this.#yielded > YIELD_AFTER) await this.#turn()
    }
    return performance.now() - start
  }

  /** No call is made any more, and none waited for. @param {unknown} reason */
  stop(reason) {
    this.#stopped = true
    this.left = 0
    this.#abandon(reason)
  }

  /** A call failed. @param {unknown} error @returns {boolean} whether the loop has to rest */
  fail(error) {
    this.errors++
    this.left--
    if (this.errors === 1) this.firstError = error
    const time = performance.now()
    return time >= this.pause && this.rest(time)
  }

  /** A call took too long. */
  late() {
    const resting = this.fail(new TimeoutError(this.#options.timeout))
    if (this.#untilLate) this.left = 0
    return resting
  }

  /**
   * Between two calls.
   *
   * @param {number} time
   * @returns {boolean} whether the loop has to return
   */
  rest(time) {
    this.#startSpan(this.#closeSpan())
    return (
      this.#stopped ||
      time >= this.#end ||
      time - this.#yielded > YIELD_AFTER ||
      this.filled > CAPACITY / 2
    )
  }

  /**
   * Successful calls a second of a round, or what the test itself says it achieved.
   *
   * @param {any} result
   * @param {number} elapsed milliseconds
   */
  rateOf(result, elapsed) {
    if (result instanceof Round) {
      const took = Math.max(elapsed - this.#options.overhead.clock, 0)
      return took > 0 ? result.successful / (took / 1000) : NaN
    }
    try {
      const { throughput } = result
      return Number.isFinite(throughput) ? throughput : NaN
    } catch {
      return NaN
    }
  }

  /** @param {number} [heap] if it was just read */
  #startSpan(heap = usedHeap()) {
    this.#spanStart = this.filled
    this.#heap = heap
    this.pause = performance.now() + SPAN
  }

  /** What the heap grew by is dealt out among the calls of the span. @returns {number} its size now */
  #closeSpan() {
    const heap = usedHeap()
    const timings = this.filled - this.#spanStart
    if (timings === 0) return heap
    const { overhead } = this.#options
    const { batch, durations } = this
    const grown = (heap - this.#heap - overhead.heap) / (timings * batch)
    const added = overhead.clock + (batch - 1) * overhead.call
    this.#heaps.fill(grown, this.#spanStart, this.filled)
    for (let index = this.#spanStart; index < this.filled; index++) {
      durations[index] = Math.max(durations[index] - added, 0) / batch
    }
    return heap
  }

  /** @param {(durations: Float64Array, heaps: Float64Array, rates: Float64Array) => void} take */
  #handOver(take) {
    const filled = (/** @type {Float64Array} */ values) => values.subarray(0, this.filled)
    if (this.filled > 0) take(filled(this.durations), filled(this.#heaps), filled(this.rates))
    this.filled = 0
  }

  /** @param {PromiseLike<unknown> | undefined} pending */
  #awaitAll(pending) {
    return new Promise((resolve) => {
      const done = () => {
        clearInterval(timer)
        this.#giveUp = undefined
        resolve(undefined)
      }
      this.#giveUp = done
      const timer = this.#watch()
      this.#loops.awaitAll(this, pending).then(done)
    })
  }

  /** Looks ten times during the time limit whether calls still end, which costs them no timer each. */
  #watch() {
    const { timeout } = this.#options
    let [calls, since] = [this.calls, performance.now()]
    return setInterval(
      () => {
        const now = performance.now()
        if (this.calls !== calls) [calls, since] = [this.calls, now]
        else if (now - since >= timeout) {
          this.late()
          this.#abandon(new TimeoutError(timeout))
        }
      },
      Math.max(timeout / 10, 1),
    )
  }

  /** Tells the call that runs that nobody waits for it any more. @param {unknown} reason */
  #abandon(reason) {
    this.attempt++
    this.#controller.abort(reason)
    if (!this.#stopped) {
      this.#controller = new AbortController()
      this.context = { signal: this.#controller.signal }
    }
    this.#giveUp?.()
  }

  async #turn() {
    this.#options.onTurn?.()
    await turn()
    this.#yielded = performance.now()
  }
}

/** @typedef {Run} Calls what other modules call the type of a run */

/** Much cheaper than `process.memoryUsage()`, which also asks the system. */
function usedHeap() {
  return v8.getHeapStatistics().used_heap_size
}

module.exports = { Round, Run, usedHeap }
