// @ts-check
'use strict'

const { isAscii } = require('node:buffer')

/** Statuses whose responses have no body; `Response` takes none. */
const WITHOUT_BODY = new Set([204, 205, 304])

/**
 * A `Response` whose body is at hand. Node's own makes a stream of every body, which costs many times what reading these
 * bytes does; here that is done only for those who ask for the stream. In all else it is as the standard says.
 */
class WholeResponse extends Response {
  #head
  #bytes
  #used = false
  /** @type {Headers | undefined} */
  #headers
  /** The platform's own, once somebody wants what only it has. @type {Response | undefined} */
  #real

  /**
   * @param {import('../../binding.js').NativeHead} head
   * @param {Buffer} [bytes] none for a response that has no body
   */
  constructor(head, bytes) {
    super(null, { status: head.status, statusText: head.statusText })
    this.#head = head
    this.#bytes = WITHOUT_BODY.has(head.status) ? undefined : bytes
  }

  get url() {
    return this.#head.url
  }

  get redirected() {
    return this.#head.redirected
  }

  get headers() {
    this.#headers ??= new Headers(pairs(this.#head.headers))
    return this.#headers
  }

  get body() {
    return this.#bytes ? this.#materialize().body : null
  }

  get bodyUsed() {
    return this.#real ? this.#real.bodyUsed : this.#used
  }

  async json() {
    const bytes = this.#take()
    return bytes ? JSON.parse(decode(bytes)) : this.#materialize().json()
  }

  async text() {
    const bytes = this.#take()
    return bytes ? decode(bytes) : this.#materialize().text()
  }

  async arrayBuffer() {
    const bytes = this.#take()
    return bytes ? copy(bytes).buffer : this.#materialize().arrayBuffer()
  }

  async bytes() {
    const bytes = this.#take()
    return bytes ? copy(bytes) : new Uint8Array(await this.#materialize().arrayBuffer())
  }

  async blob() {
    return this.#materialize().blob()
  }

  async formData() {
    return this.#materialize().formData()
  }

  /** @returns {Response} */
  clone() {
    if (this.#real || this.#used) return describe(this.#materialize().clone(), this.#head)
    const { status, statusText } = this
    const headers = [...this.headers].flat()
    return new WholeResponse({ ...this.#head, status, statusText, headers }, this.#bytes)
  }

  /** The bytes, for the one who may read them. */
  #take() {
    if (this.#used || this.#real || !this.#bytes) return undefined
    this.#used = true
    return this.#bytes
  }

  /** The platform's own response, in the state that this one is in. */
  #materialize() {
    if (!this.#real) {
      const { status, statusText, headers } = this
      this.#real = new Response(/** @type {any} */ (this.#bytes ?? null), {
        status,
        statusText,
        headers,
      })
      if (this.#used) this.#real.arrayBuffer()
    }
    return this.#real
  }
}

/** @param {Buffer} bytes */
function copy(bytes) {
  return new Uint8Array(bytes)
}

/**
 * UTF-8 as the standard decodes it, without its mark.
 *
 * @param {Buffer} bytes
 */
function decode(bytes) {
  if (isAscii(bytes)) return bytes.toString('latin1')
  const marked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
  return bytes.toString('utf8', marked ? 3 : 0)
}

/** @param {string[]} flat names and values in turn */
function pairs(flat) {
  const pairs = []
  for (let index = 0; index < flat.length; index += 2) {
    pairs.push(/** @type {[string, string]} */ ([flat[index], flat[index + 1]]))
  }
  return pairs
}

/**
 * What no constructor of `Response` takes.
 *
 * @param {Response} response
 * @param {{ url: string, redirected: boolean }} head
 * @returns {Response}
 */
function describe(response, { url, redirected }) {
  const { clone } = response
  return Object.defineProperties(response, {
    url: { value: url },
    redirected: { value: redirected },
    clone: { value: () => describe(clone.call(response), { url, redirected }) },
  })
}

/**
 * A response whose body is on its way.
 *
 * @param {import('../../binding.js').NativeHead} head
 * @param {ReadableStream<Uint8Array>} body
 */
function streaming(head, body) {
  const { status, statusText } = head
  const content = WITHOUT_BODY.has(status) ? null : /** @type {BodyInit} */ (body)
  return describe(new Response(content, { status, statusText, headers: pairs(head.headers) }), head)
}

module.exports = { WholeResponse, streaming }
