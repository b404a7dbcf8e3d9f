// @ts-check
'use strict'

/**
 * A request as the index knows it: its headers' names and values, in their order.
 *
 * @typedef {object} Candidate
 * @property {number} slot
 * @property {string[]} names
 * @property {string[]} values
 */

/** How many requests of one URL are kept; others are found by their key. */
const MOST_CANDIDATES = 8

/**
 * Finds a request by comparing it with those known, which is several times cheaper than making its key. It knows plain
 * requests only: a string, and an object of strings. Two requests that compare equal have the same key; for all else
 * it knows nothing.
 */
class RequestIndex {
  /** @type {Map<string, Candidate[]>} */
  #byUrl = new Map()

  /**
   * The slot of a request, or -1.
   *
   * @param {string} url
   * @param {object | undefined} headers
   */
  find(url, headers) {
    const candidates = this.#byUrl.get(url)
    if (candidates === undefined) return -1
    for (const candidate of candidates) {
      if (isRequest(candidate, headers)) return candidate.slot
    }
    return -1
  }

  /**
   * Files a request, if it is plain; whether it is.
   *
   * @param {unknown} url
   * @param {object | undefined} headers
   * @param {number} slot
   */
  add(url, headers, slot) {
    if (typeof url !== 'string' || !isPlain(headers)) return false
    const names = Object.keys(headers ?? {})
    const values = Object.values(headers ?? {})
    if (values.some((value) => typeof value !== 'string')) return false
    const candidates = this.#byUrl.get(url)
    if (candidates === undefined) this.#byUrl.set(url, [{ slot, names, values }])
    else {
      if (candidates.length === MOST_CANDIDATES) candidates.shift()
      candidates.push({ slot, names, values })
    }
    return true
  }

  /**
   * @param {string} url
   * @param {number} slot
   */
  remove(url, slot) {
    const candidates = this.#byUrl.get(url) ?? []
    const at = candidates.findIndex((candidate) => candidate.slot === slot)
    if (at !== -1) candidates.splice(at, 1)
    if (candidates.length === 0) this.#byUrl.delete(url)
  }
}

/**
 * @param {Candidate} candidate
 * @param {any} headers
 */
function isRequest({ names, values }, headers) {
  if (headers === undefined) return names.length === 0
  if (!isPlain(headers)) return false
  let at = 0
  for (const name in headers) {
    if (name !== names[at] || headers[name] !== values[at]) return false
    at++
  }
  return at === names.length
}

/** @param {object | undefined} headers */
function isPlain(headers) {
  return (
    headers === undefined ||
    (headers !== null && Object.getPrototypeOf(headers) === Object.prototype)
  )
}

module.exports = { RequestIndex }
