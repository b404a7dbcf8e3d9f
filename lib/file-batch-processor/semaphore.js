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
  async acquire() {
    if (this.current >= this.capacity) return new Promise((resolve) => this.queue.push(resolve))
    this.current++
  }

  release() {
    if (this.current === 0) return
    this.current--
    while (this.current < this.capacity) {
      const next = this.queue.shift()
      if (!next) return
      this.current++
      next()
    }
  }
}

module.exports = { Semaphore }
