// @ts-check
'use strict'

const { inspect } = require('node:util')
const args = require('../internal/arguments.js')
const { lifetime } = require('./cache-options.js')

/** @import * as types from '../cache-system.js' */

/**
 * What a memory tier offers its view.
 *
 * @typedef {object} Tier
 * @property {() => number} size
 * @property {() => string[]} keys
 * @property {(key: string) => types.MemoryEntry | undefined} get
 * @property {(key: string, entry: types.MemoryEntry) => void} set
 * @property {(key: string) => boolean} delete
 * @property {() => void} clear
 */

/**
 * The memory tier as a Map of keys to entries, fresh or not. It is live: nothing is copied.
 *
 * @implements {types.MemoryCache}
 */
class MemoryView {
  #tier

  /** @param {Tier} tier */
  constructor(tier) {
    this.#tier = tier
  }

  get size() {
    return this.#tier.size()
  }

  /** @param {string} key */
  has(key) {
    return this.get(key) !== undefined
  }

  /** @param {string} key */
  get(key) {
    return this.#tier.get(args.string('key', key))
  }

  /**
   * @param {string} key
   * @param {types.MemoryEntry} entry
   */
  set(key, entry) {
    const { data, timestamp, ttl } = args.object('entry', entry)
    this.#tier.set(args.string('key', key), {
      data,
      timestamp: args.number('entry.timestamp', timestamp, Number.MIN_SAFE_INTEGER),
      ttl: ttl === undefined ? ttl : lifetime('entry.ttl', ttl),
    })
    return this
  }

  /** @param {string} key */
  delete(key) {
    return this.#tier.delete(args.string('key', key))
  }

  clear() {
    this.#tier.clear()
  }

  *keys() {
    for (const [key] of this.entries()) yield key
  }

  *values() {
    for (const [, entry] of this.entries()) yield entry
  }

  /** @returns {Generator<[string, types.MemoryEntry], undefined>} */
  *entries() {
    for (const key of this.#tier.keys()) {
      const entry = this.#tier.get(key)
      if (entry) yield [key, entry]
    }
  }

  [Symbol.iterator]() {
    return this.entries()
  }

  /**
   * @param {(entry: types.MemoryEntry, key: string, view: this) => void} visit
   * @param {unknown} [thisArg]
   */
  forEach(visit, thisArg) {
    for (const [key, entry] of this.entries()) visit.call(thisArg, entry, key, this)
  }

  get [Symbol.toStringTag]() {
    return 'Map'
  }

  /**
   * @param {number} _depth
   * @param {import('node:util').InspectOptions} options
   */
  [inspect.custom](_depth, options) {
    return `MemoryCache ${inspect(new Map(this), options)}`
  }
}

module.exports = { MemoryView }
