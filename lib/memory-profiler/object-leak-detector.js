// @ts-check
'use strict'

const args = require('../internal/arguments.js')

/** @import * as types from '../memory-profiler.js' */

/** @implements {types.ObjectLeakDetector} */
class ObjectLeakDetector {
  /** @type {Map<string, number>} */
  objectCounts = new Map()
  tracking = false

  startTracking() {
    this.tracking = true
    this.objectCounts.clear()
  }

  stopTracking() {
    this.tracking = false
  }

  /**
   * @param {string} type
   * @param {'create' | 'destroy'} [operation]
   */
  trackObject(type, operation = 'create') {
    args.string('type', type)
    if (operation !== 'create' && operation !== 'destroy') {
      throw args.outOfRange('operation', "'create' or 'destroy'", operation)
    }
    if (!this.tracking) return
    const count = (this.objectCounts.get(type) ?? 0) + (operation === 'create' ? 1 : -1)
    this.objectCounts.set(type, Math.max(0, count))
  }

  /** @returns {Record<string, number>} */
  getObjectCounts() {
    return Object.fromEntries(this.objectCounts)
  }

  /** @param {number} [threshold] */
  findLeakingObjects(threshold = 1000) {
    args.number('threshold', threshold, 0, Number.POSITIVE_INFINITY)
    return Array.from(this.objectCounts, ([type, count]) => ({ type, count })).filter(
      ({ count }) => count > threshold,
    )
  }
}

module.exports = { ObjectLeakDetector }
