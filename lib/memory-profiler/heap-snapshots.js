// @ts-check
'use strict'

// Heap snapshots: V8 writes them, native code sums them up.

const { closeSync, fchmodSync, openSync, rmSync } = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const v8 = require('node:v8')

const args = require('../internal/arguments.js')
const { traced } = require('../internal/errors.js')
const native = require('../internal/native.js')
const { promised, settler } = require('../internal/settle.js')

/** @import * as types from '../memory-profiler.js' */
/** @import { NativeHeapSummary } from '../../binding.js' */

/**
 * What V8 was seen to take while it writes a snapshot, in heaps: 14 to 20 for many small objects. It is memory
 * beside the heap, and a process that has not as much is killed, not refused.
 */
const HEAPS_TAKEN = 20

let written = 0

class HeapSnapshots {
  /** @type {WeakMap<types.MemorySnapshot, NativeHeapSummary>} */
  #summaries = new WeakMap()
  #newest = 0

  /**
   * Adds to a snapshot what the heap holds. V8 writes before this returns.
   *
   * @param {types.MemorySnapshot} snapshot
   * @param {types.SnapshotOptions} options
   * @returns {Promise<types.HeapSnapshot>}
   */
  async add(snapshot, { path: wanted, force = false }) {
    const file = wanted === undefined ? temporaryPath() : path.resolve(args.string('path', wanted))
    if (!force) refuseWithoutRoom(snapshot.memory.heapUsed)
    const summary = await this.#summary(file, wanted === undefined)
    this.#newest = Math.max(this.#newest, summary.newest)
    const complete = Object.assign(snapshot, { heap: { path: file, ...summary.figures() } })
    this.#summaries.set(complete, summary)
    return complete
  }

  /**
   * Writes the file and sums it up. A temporary one that nobody is told of does not stay.
   *
   * @param {string} file
   * @param {boolean} isTemporary
   * @returns {Promise<NativeHeapSummary>}
   */
  async #summary(file, isTemporary) {
    const before = this.#newest
    const descriptor = openSync(file, isTemporary ? 'wx' : 'w', 0o600)
    try {
      write(file, descriptor)
      return await traced(
        promised((ticket) => native.summariseHeapSnapshot(settler, ticket, file, before)),
      )
    } catch (error) {
      if (isTemporary) rmSync(file, { force: true })
      throw error
    }
  }

  /**
   * What grew, if both have a heap.
   *
   * @param {types.MemorySnapshot} before
   * @param {types.MemorySnapshot} after
   * @returns {types.HeapGrowth[] | undefined}
   */
  growth(before, after) {
    const [from, to] = [this.#summaries.get(before), this.#summaries.get(after)]
    return from && to?.growthSince(from)
  }
}

/**
 * Everything the program knows is in a snapshot, so nobody else may read it.
 *
 * @param {string} file
 * @param {number} descriptor of the file, which is closed
 */
function write(file, descriptor) {
  try {
    fchmodSync(descriptor, 0o600)
  } finally {
    closeSync(descriptor)
  }
  v8.writeHeapSnapshot(file)
}

/** In the system's folder, under a name that `cleanupTemporaryFiles` knows. */
function temporaryPath() {
  const name = `aiwf-heap-${process.pid}-${Date.now()}-${written++}.heapsnapshot`
  return path.join(os.tmpdir(), name)
}

/** @param {number} heapUsed */
function refuseWithoutRoom(heapUsed) {
  const needed = HEAPS_TAKEN * heapUsed
  // Node 20 has it from 20.13 on.
  const available = process.availableMemory?.() ?? os.freemem()
  if (needed <= available) return
  const mib = (/** @type {number} */ bytes) => `${Math.round(bytes / 2 ** 20)} MiB`
  const error = new Error(
    `A heap snapshot may take ${mib(needed)} while V8 writes it, and ${mib(available)} are available: ` +
      'free memory, raise the limit, or pass force: true to risk the process',
  )
  throw Object.assign(error, { code: 'ERR_AIWF_INSUFFICIENT_MEMORY', needed, available })
}

module.exports = { HeapSnapshots }
