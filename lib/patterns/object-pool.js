// @ts-check
'use strict'

const args = require('../internal/arguments.js')

/** @import * as types from '../patterns.js' */

/**
 * @template T
 * @implements {types.ObjectPool<T>}
 */
class ObjectPool {
  /** A set, so that an object released twice is noticed before two users share it. @type {Set<T>} */
  #idle = new Set()
  /** Those that were released, idle or let go, and not acquired since. @type {WeakSet<any>} */
  #released = new WeakSet()
  #acquired = 0
  #warned = false
  #maxSize
  #warnAbove

  /**
   * @param {() => T} createFn
   * @param {(object: T) => void} [resetFn]
   * @param {types.ObjectPoolOptions} [options]
   */
  constructor(createFn, resetFn = () => {}, options = {}) {
    this.createFn = args.callback('createFn', createFn)
    this.resetFn = args.callback('resetFn', resetFn)
    const { maxSize = 1000, warnAbove = 10_000 } = args.object('options', options)
    this.#maxSize = args.limit('options.maxSize', maxSize)
    this.#warnAbove = args.limit('options.warnAbove', warnAbove)
  }

  /** Objects that wait to be used again. */
  get size() {
    return this.#idle.size
  }

  /** Objects in use: acquired and not released. */
  get acquired() {
    return this.#acquired
  }

  /** @returns {T} */
  acquire() {
    const { done, value } = this.#idle.values().next()
    if (!done) this.#idle.delete(value)
    const object = done ? this.createFn() : value
    this.#released.delete(object)
    this.#acquired++
    this.#warnOfLeak()
    return /** @type {T} */ (object)
  }

  /** @param {T} object */
  release(object) {
    if (this.#idle.has(object) || this.#released.has(object)) {
      const error = new Error('The object was released already')
      throw Object.assign(error, { code: 'ERR_AIWF_ALREADY_RELEASED' })
    }
    if (Object(object) === object) this.#released.add(object)
    this.#acquired = Math.max(0, this.#acquired - 1)
    this.resetFn(object)
    if (this.#idle.size < this.#maxSize) this.#idle.add(object)
  }

  #warnOfLeak() {
    if (this.#warned || this.#acquired <= this.#warnAbove) return
    this.#warned = true
    process.emitWarning(
      `${this.#acquired} objects of a pool are in use; are some never released?`,
      { type: 'ObjectPoolLeakWarning', code: 'AIWF_OBJECT_POOL_LEAK' },
    )
  }
}

module.exports = { ObjectPool }
