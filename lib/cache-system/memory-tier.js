// @ts-check
'use strict'

const { MemoryView } = require('./memory-view.js')
const { RequestIndex } = require('./request-index.js')

/** @import * as types from '../cache-system.js' */
/** @import { NativeCache } from '../../binding.js' */
/** @import { Request } from './tiers.js' */

/**
 * A value in memory.
 *
 * @typedef {object} Held
 * @property {any} data
 * @property {string} [validator]
 * @property {boolean} mustRevalidate whether it must not be served when it is no longer fresh
 * @property {boolean} prefetched whether nobody has asked for it yet
 * @property {string} [url] by which the index finds it
 */

/**
 * The live values. Which of them stay, and whether one may be served, is decided natively; here each has a slot.
 */
class MemoryTier {
  #native
  #hit
  #index = new RequestIndex()
  #onUnused
  /** @type {(Held | undefined)[]} */
  #slots = []

  /**
   * @param {NativeCache} native
   * @param {() => void} onUnused told of every prefetched value that leaves unused
   */
  constructor(native, onUnused) {
    this.#native = native
    this.#hit = native.hit()
    this.#onUnused = onUnused
  }

  get size() {
    return this.#native.size
  }

  /**
   * A fresh value, found without its key.
   *
   * @param {string} url
   * @param {object | undefined} headers
   * @param {number} now
   * @param {number} ttl
   */
  find(url, headers, now, ttl) {
    const slot = this.#index.find(url, headers)
    return slot !== -1 && this.#hit(slot, now, ttl) ? this.#slots[slot] : undefined
  }

  /**
   * A value that is fresh, or stale for less than `grace` ms.
   *
   * @param {string} key
   * @param {number} now
   * @param {number} ttl
   * @param {number} grace
   */
  findByKey(key, now, ttl, grace) {
    const slot = this.#native.find(key, now, ttl, grace)
    return slot === -1 ? undefined : this.#slots[slot]
  }

  /**
   * How an entry is stored, fresh or not.
   *
   * @param {string} key
   */
  policy(key) {
    const found = this.#native.held(key)
    const held = found && this.#slots[found.slot]
    if (!held) return undefined
    const { validator, mustRevalidate } = held
    return { ttl: found.ttl, validator, mustRevalidate }
  }

  /**
   * Takes a value in.
   *
   * @param {number[]} slots its slot, and those that are free
   * @param {Held} value
   * @param {Request} request
   */
  take([slot, ...freed], { data, validator, mustRevalidate, prefetched }, { url, headers }) {
    const indexed = this.#index.add(url, headers, slot)
    const held = { data, validator, mustRevalidate, prefetched, url: indexed ? url : undefined }
    this.#slots[slot] = held
    this.#release(freed)
    return held
  }

  /**
   * Lets go of what has been expired for `grace` ms; how many those were.
   *
   * @param {number} now
   * @param {number} ttl
   * @param {number} grace
   */
  removeExpired(now, ttl, grace) {
    return this.#swept(this.#native.forgetExpired(now, ttl, grace))
  }

  /** @param {string} key */
  delete(key) {
    return this.#swept(this.#native.forget(key))
  }

  clear() {
    this.#swept(this.#native.forgetAll())
  }

  /**
   * @param {number} maxEntries
   * @param {number} maxBytes
   */
  resize(maxEntries, maxBytes) {
    this.#swept(this.#native.resize(maxEntries, maxBytes))
  }

  /**
   * The tier as a Map.
   *
   * @param {(key: string, entry: types.MemoryEntry) => void} set
   */
  view(set) {
    return new MemoryView({
      size: () => this.#native.size,
      keys: () => this.#native.keys(),
      get: (key) => this.#entry(key),
      set,
      delete: (key) => this.delete(key),
      clear: () => this.clear(),
    })
  }

  /**
   * @param {string} key
   * @returns {types.MemoryEntry | undefined}
   */
  #entry(key) {
    const held = this.#native.held(key)
    if (!held) return undefined
    const { slot, timestamp, ttl } = held
    const data = this.#slots[slot]?.data
    return ttl === undefined ? { data, timestamp } : { data, timestamp, ttl }
  }

  /**
   * Lets go of the values that have left.
   *
   * @template T
   * @param {T} result
   */
  #swept(result) {
    this.#release(this.#native.freed())
    return result
  }

  /** @param {number[]} slots */
  #release(slots) {
    for (const slot of slots) {
      const held = this.#slots[slot]
      this.#slots[slot] = undefined
      if (held?.url !== undefined) this.#index.remove(held.url, slot)
      if (held?.prefetched) this.#onUnused()
    }
  }
}

module.exports = { MemoryTier }
