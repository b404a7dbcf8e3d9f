// @ts-check
'use strict'

const args = require('../internal/arguments.js')

/** @import * as types from '../file-batch-processor.js' */

/** @implements {types.Semaphore} */
class Semaphore {
  /** @param {number} capacity */
  constructor(capacity) {
    this.capacity = args.limit('capacity', capacity)
    this.current = 0
    /** @type {(() => void)[]} */
    this.queue = []
  }

  /** @returns {Promise<void>} */
  acquire() {
    return new Promise((resolve) => {
      this.queue.push(resolve)
      this.#admit()
    })
  }

  release() {
    if (this.current === 0) return
    this.current--
    this.#admit()
  }

  /** `capacity` may have been raised, so those who wait come before a new one. */
  #admit() {
    while (this.current < this.capacity) {
      const next = this.queue.shift()
      if (!next) return
      this.current++
      next()
    }
  }
}

module.exports = { Semaphore }
