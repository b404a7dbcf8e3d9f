// @ts-check
'use strict'

// The native side's numbers for kinds of operations, flags and algorithms.
const kinds = {
  READ: 0,
  WRITE: 1,
  COPY: 2,
  MKDIR: 3,
  APPEND: 4,
  MOVE: 5,
  REMOVE: 6,
  COPY_DIRECTORY: 7,
  STAT: 8,
  READDIR: 9,
  HASH: 10,
}
const flags = {
  ATOMIC: 1,
  DURABLE: 2,
  TEXT: 4,
  TIMES: 8,
  RECURSIVE: 16,
  FORCE: 32,
  FOLLOW: 64,
  CANCELLABLE: 128,
}
const algorithms = ['sha1', 'sha256', 'sha384', 'sha512']
const NUL = Buffer.alloc(1)
/** Numbers of each operation. */
const WIDTH = 5

/** The operations of one turn of the event loop, which go over in one call. */
class Staging {
  /** @type {number[]} */
  #numbers = []
  /** @type {(string | Buffer)[]} */
  #paths = []
  /** @type {(string | Buffer)[]} */
  #contents = []

  get length() {
    return this.#numbers.length / WIDTH
  }

  /**
   * @param {number} ticket
   * @param {import('./requests.js').Request} request
   * @param {number} moreBits
   * @param {number} priority
   */
  add(ticket, { kind, path, destination, content, mode, bits }, moreBits, priority) {
    this.#numbers.push(ticket, kind, mode, bits | moreBits, priority)
    this.#paths.push(path)
    if (destination !== undefined) this.#paths.push(destination)
    if (content !== undefined) this.#contents.push(content)
  }

  /** @returns {number[]} */
  tickets() {
    return this.#numbers.filter((_, index) => index % WIDTH === 0)
  }

  /** @returns {[numbers: Uint32Array, paths: string | Buffer, contents: (string | Buffer)[]]} */
  packed() {
    return [Uint32Array.from(this.#numbers), join(this.#paths), this.#contents]
  }
}

/**
 * A string crosses cheaper; bytes are for names that are no text.
 *
 * @param {(string | Buffer)[]} paths
 */
function join(paths) {
  if (paths.every((path) => typeof path === 'string')) return paths.join('\0')
  return Buffer.concat(paths.flatMap((path) => [Buffer.from(path), NUL]))
}

module.exports = { Staging, kinds, flags, algorithms }
