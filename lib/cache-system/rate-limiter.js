// @ts-check
'use strict'

const args = require('../internal/arguments.js')
const native = require('../internal/native.js')
const { onAbort } = require('../internal/signal.js')

/** @import * as types from '../cache-system.js' */

/** The longest that a timer waits. */
const LONGEST_TIMER = 2 ** 31 - 1

/** @implements {types.RateLimiter} */
class RateLimiter {
  #native
  #maxRequests
  #timeWindow
  #lastCaller = 0
  /** How to let those pass who wait. @type {Map<number, () => void>} */
  #waiting = new Map()
  /** @type {NodeJS.Timeout | undefined} */
  #timer

  /**
   * @param {number} maxRequests
   * @param {number} timeWindow
   */
  constructor(maxRequests, timeWindow) {
    this.#maxRequests = args.integer('maxRequests', maxRequests, 1)
    this.#timeWindow = args.number('timeWindow', timeWindow)
    this.#native = new native.NativeRateLimiter(maxRequests, timeWindow)
  }

  get maxRequests() {
    return this.#maxRequests
  }

  set maxRequests(value) {
    this.#maxRequests = args.integer('maxRequests', value, 1)
    this.#configure()
  }

  get timeWindow() {
    return this.#timeWindow
  }

  set timeWindow(value) {
    this.#timeWindow = args.number('timeWindow', value)
    this.#configure()
  }

  /**
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {Promise<void>}
   */
  async waitForNext({ signal } = {}) {
    signal?.throwIfAborted()
    await new Promise((resolve, reject) => {
      const caller = this.#enqueue(resolve)
      if (!this.#waiting.has(caller) || !signal) return
      const stop = onAbort(signal, () => {
        this.#waiting.delete(caller)
        this.#native.withdraw(caller)
        this.#release()
        reject(signal.reason)
      })
      this.#waiting.set(caller, () => {
        stop()
        resolve(undefined)
      })
    })
  }

  getStats() {
    return {
      ...this.#native.stats(),
      maxRequests: this.#maxRequests,
      timeWindow: this.#timeWindow,
    }
  }

  #configure() {
    this.#native.configure(this.#maxRequests, this.#timeWindow)
    this.#release()
  }

  /** @param {(value?: undefined) => void} pass which may be at once */
  #enqueue(pass) {
    this.#lastCaller = (this.#lastCaller + 1) >>> 0
    this.#waiting.set(this.#lastCaller, pass)
    this.#native.enqueue(this.#lastCaller)
    this.#release()
    return this.#lastCaller
  }

  /** Lets those pass whose turn it is, and comes again when the next has its turn. */
  #release() {
    clearTimeout(this.#timer)
    for (const caller of this.#native.release()) {
      this.#waiting.get(caller)?.()
      this.#waiting.delete(caller)
    }
    if (this.#waiting.size === 0) return
    const wait = Math.min(Math.ceil(this.#native.nextRelease() ?? 0), LONGEST_TIMER)
    this.#timer = setTimeout(() => this.#release(), wait)
  }
}

module.exports = { RateLimiter }
