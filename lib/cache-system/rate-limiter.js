// @ts-check
'use strict'

const args = require('../internal/arguments.js')
const native = require('../internal/native.js')
const { promised, settler, take } = require('../internal/settle.js')

/** @import * as types from '../cache-system.js' */

/** @implements {types.RateLimiter} */
class RateLimiter {
  #native
  #maxRequests
  #timeWindow

  /**
   * @param {number} maxRequests
   * @param {number} timeWindow
   */
  constructor(maxRequests, timeWindow) {
    this.#maxRequests = args.integer('maxRequests', maxRequests, 1)
    this.#timeWindow = args.number('timeWindow', timeWindow)
    this.#native = new native.NativeRateLimiter(settler, maxRequests, timeWindow)
  }

  get maxRequests() {
    return this.#maxRequests
  }

  set maxRequests(value) {
    this.#maxRequests = args.integer('maxRequests', value, 1)
    this.#native.configure(this.#maxRequests, this.#timeWindow)
  }

  get timeWindow() {
    return this.#timeWindow
  }

  set timeWindow(value) {
    this.#timeWindow = args.number('timeWindow', value)
    this.#native.configure(this.#maxRequests, this.#timeWindow)
  }

  /** @param {{ signal?: AbortSignal }} [options] */
  async waitForNext({ signal } = {}) {
    const turn = (/** @type {number} */ ticket) => {
      if (this.#native.waitForNext(ticket)) take(ticket)?.resolve(undefined)
    }
    const withdraw = (/** @type {number} */ ticket) => {
      this.#native.withdraw(ticket)
      take(ticket)?.reject(undefined)
    }
    await promised(turn, { signal, cancel: withdraw })
  }

  getStats() {
    return {
      ...this.#native.stats(),
      maxRequests: this.#maxRequests,
      timeWindow: this.#timeWindow,
    }
  }
}

module.exports = { RateLimiter }
