// @ts-check
'use strict'

const { setImmediate: turn } = require('node:timers/promises')
const native = require('../internal/native.js')
const { promised, settler } = require('../internal/settle.js')
const { targetsOf } = require('./load-config.js')
const { TimeoutError, Watchdog } = require('./watchdog.js')

/** @import * as types from '../performance-benchmark.js' */

/** How long calls may follow each other before timers and I/O get a turn, in milliseconds. */
const YIELD_AFTER = 10

/** What a call still gets when its worker's time is up, in milliseconds; as requests do. */
const GRACE = 1000

/** Milliseconds an interval of the timeline. */
const INTERVAL = 1000

/** @typedef {ReturnType<typeof import('./load-config.js').loadTestConfig>} Settings */

/**
 * Requests to URLs, made by native threads.
 *
 * @param {Settings} settings
 * @param {types.LoadTestConfig} config
 * @returns {Promise<import('../../binding.js').LoadOutcome>}
 */
async function loadUrl(settings, config) {
  const { signal, onProgress: onEvent } = config
  const plan = { ...settings, targets: targetsOf(config) }
  return promised((ticket) => native.runLoadTest(settler, ticket, plan), { signal, onEvent })
}

/**
 * Calls of a function, made by `concurrency` loops on this thread.
 *
 * @param {Settings & { target: () => unknown }} settings
 * @param {types.LoadTestConfig} config
 */
async function loadFunction(settings, { signal, onProgress }) {
  signal?.throwIfAborted()
  const calls = new Calls(settings, onProgress)
  const abort = () => calls.abort(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  try {
    return await calls.run()
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

/** A load test whose calls are made here; native code keeps the record. */
class Calls {
  #settings
  #onProgress
  #record
  #start = performance.now()
  #claimed = 0
  #active = 0
  /** @type {number[]} */
  #latencies = []
  #rejected = 0
  #timedOut = 0
  #yielded = 0
  /** @type {Set<InstanceType<typeof Watchdog>>} */
  #watchdogs = new Set()
  #stop = new AbortController()
  /** Fires when no call is left to make, so that no worker waits to start. */
  #over = new AbortController()

  /**
   * @param {Settings & { target: () => unknown }} settings
   * @param {types.LoadTestConfig['onProgress']} onProgress
   */
  constructor(settings, onProgress) {
    this.#settings = settings
    this.#onProgress = onProgress
    this.#record = new native.LoadRecord()
  }

  async run() {
    const { concurrency } = this.#settings
    const seconds = setInterval(() => this.#tick(), INTERVAL)
    try {
      await Promise.all(Array.from({ length: concurrency }, (_, index) => this.#worker(index)))
    } finally {
      clearInterval(seconds)
    }
    this.#stop.signal.throwIfAborted()
    this.#closeInterval()
    return this.#record.finish()
  }

  /** @param {unknown} reason */
  abort(reason) {
    this.#stop.abort(reason)
    this.#over.abort()
    for (const watchdog of this.#watchdogs) watchdog.interrupt(reason)
  }

  /** @param {number} index */
  async #worker(index) {
    const { concurrency, rampUp, duration, timeout, maxRequests = Infinity } = this.#settings
    const start = this.#start + (index / concurrency) * rampUp
    await this.#until(start)
    if (this.#over.signal.aborted) return
    const end = start + duration
    const watchdog = new Watchdog(timeout)
    this.#watchdogs.add(watchdog)
    this.#active++
    while (!this.#over.signal.aborted && performance.now() < end) {
      if (++this.#claimed === maxRequests) this.#over.abort()
      await this.#call(watchdog, end)
    }
    this.#active--
    this.#watchdogs.delete(watchdog)
    watchdog.stop()
  }

  /**
   * @param {InstanceType<typeof Watchdog>} watchdog
   * @param {number} end when the worker's time is up
   */
  async #call(watchdog, end) {
    const start = performance.now()
    try {
      const result = Promise.resolve(this.#settings.target())
      const watched = watchdog.watch(result, Math.min(this.#settings.timeout, end + GRACE - start))
      // The call itself may have ended the test, before there was a wait to interrupt.
      if (this.#stop.signal.aborted) watchdog.interrupt(this.#stop.signal.reason)
      await watched
      const latency = performance.now() - start
      if (latency > this.#settings.timeout) this.#timedOut++
      else this.#latencies.push(latency)
    } catch (error) {
      if (this.#stop.signal.aborted) return
      if (error instanceof TimeoutError) this.#timedOut++
      else this.#rejected++
    }
    // Calls that never wait would keep timers and I/O from ever having their turn.
    if (start - this.#yielded > YIELD_AFTER) {
      await turn()
      this.#yielded = performance.now()
    }
  }

  /** @param {number} time of `performance.now()` */
  #until(time) {
    const { signal } = this.#over
    const wait = time - performance.now()
    if (wait <= 0 || signal.aborted) return
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        resolve(undefined)
      }
      const timer = setTimeout(done, wait)
      signal.addEventListener('abort', done)
    })
  }

  /** A listener that throws ends the test, and its error is the test's. */
  #tick() {
    try {
      this.#closeInterval()
    } catch (error) {
      this.abort(error)
    }
  }

  #closeInterval() {
    const time = performance.now() - this.#start
    const latencies = Float64Array.from(this.#latencies)
    const [rejected, timedOut] = [this.#rejected, this.#timedOut]
    this.#latencies.length = 0
    this.#rejected = 0
    this.#timedOut = 0
    const point = this.#record.closeInterval(time, latencies, rejected, timedOut, this.#active)
    this.#onProgress?.(point)
  }
}

module.exports = { loadUrl, loadFunction }
