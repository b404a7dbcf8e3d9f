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

/** Operations that go over in one call: a millisecond or two of work for the event loop. */
const AT_ONCE = 1000

/** A part of what waits to go over. */
class Part {
  /** @type {number[]} */
  tickets = []
  /** @type {number[]} */
  numbers = []
  /** @type {(string | Buffer)[]} */
  paths = []
  /** @type {(string | Buffer)[]} */
  contents = []

  /** @param {boolean} late whether it goes over in a later turn: until then callers may change their views */
  constructor(late) {
    this.late = late
  }

  /** @param {string | Buffer} content */
  addContent(content) {
    const copied = this.late && typeof content !== 'string'
    this.contents.push(copied ? Buffer.from(content) : content)
  }

  /** @returns {[numbers: Uint32Array, paths: string | Buffer, contents: (string | Buffer)[]]} */
  get operations() {
    return [Uint32Array.from(this.numbers), join(this.paths), this.contents]
  }
}

/** The operations that have not gone over, in the order they were added. */
class Staging {
  #parts = [new Part(false)]
  length = 0

  /**
   * @param {number} ticket
   * @param {import('./requests.js').Request} request
   * @param {number} moreBits
   * @param {number} priority
   */
  add(ticket, { kind, path, destination, content, mode, bits }, moreBits, priority) {
    let part = this.#parts[this.#parts.length - 1]
    if (part.tickets.length === AT_ONCE) {
      part = new Part(true)
      this.#parts.push(part)
    }
    this.length++
    part.tickets.push(ticket)
    part.numbers.push(ticket, kind, mode, bits | moreBits, priority)
    part.paths.push(path)
    if (destination !== undefined) part.paths.push(destination)
    if (content !== undefined) part.addContent(content)
  }

  /** Takes out the operations that go over next. */
  next() {
    const part = this.#parts.shift() ?? new Part(false)
    if (this.#parts.length === 0) this.#parts.push(new Part(false))
    this.length -= part.tickets.length
    return part
  }

  /** Takes out all, and returns their tickets. */
  clear() {
    const tickets = this.#parts.flatMap((part) => part.tickets)
    // What is added next still waits for its turn as these did.
    this.#parts = [new Part(this.#parts[0].late)]
    this.length = 0
    return tickets
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
