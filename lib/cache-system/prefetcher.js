// @ts-check
'use strict'

const native = require('../internal/native.js')
const { toJSON } = require('./to-json.js')

/** How many requests the model remembers. */
const REQUESTS = 1_000
/** How many prefetches run at once. */
const CONCURRENCY = 2

/**
 * Fetches what will likely be asked for next. The model of the access sequence is native; what is fetched, and how,
 * is the caller's.
 */
class Prefetcher {
  #model = new native.NativeSuccessors(REQUESTS)
  #fetch
  #running = 0
  #counts = { issued: 0, hits: 0, wasted: 0, failed: 0 }

  /**
   * @param {(url: any, headers: object | undefined) => Promise<boolean>} fetch brings an entry into memory; whether that
   *   was needed
   */
  constructor(fetch) {
    this.#fetch = fetch
  }

  get counts() {
    return { ...this.#counts }
  }

  /**
   * Notes a request, and prefetches the one that is likely to follow. One that JSON cannot express, which has a key of a
   * subclass's, is not learnt.
   *
   * @param {unknown} url
   * @param {object | undefined} headers
   */
  visit(url, headers) {
    const request = toJSON([url, headers])
    const next = request === undefined ? null : this.#model.visit(request)
    if (next !== null && this.#running < CONCURRENCY) this.#prefetch(next)
  }

  used() {
    this.#counts.hits++
  }

  wasted() {
    this.#counts.wasted++
  }

  reset() {
    Object.assign(this.#counts, { issued: 0, hits: 0, wasted: 0, failed: 0 })
  }

  /** @param {string} request */
  async #prefetch(request) {
    const [url, headers] = JSON.parse(request)
    this.#running++
    try {
      if (await this.#fetch(url, headers ?? undefined)) this.#counts.issued++
    } catch {
      // Whoever asks for it will be told.
      this.#counts.failed++
    } finally {
      this.#running--
    }
  }
}

module.exports = { Prefetcher }
