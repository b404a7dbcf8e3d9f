// @ts-check
'use strict'

/** @import * as types from '../file-batch-processor.js' */

/** The native side's numbers for kinds. @type {types.FileType[]} */
const kinds = [
  'other',
  'file',
  'directory',
  'symbolic link',
  'fifo',
  'socket',
  'character device',
  'block device',
]

/** @implements {types.FileStats} */
class FileStats {
  /** @param {number[]} numbers as the native side lists them */
  constructor(numbers) {
    this.type = kinds[numbers[0]]
    this.size = numbers[1]
    this.mode = numbers[2]
    this.dev = numbers[3]
    this.ino = numbers[4]
    this.nlink = numbers[5]
    this.uid = numbers[6]
    this.gid = numbers[7]
    this.blocks = numbers[8]
    this.atimeMs = numbers[9]
    this.mtimeMs = numbers[10]
    this.ctimeMs = numbers[11]
    this.birthtimeMs = numbers[12]
  }

  get mtime() {
    return new Date(this.mtimeMs + 0.5) // Rounded, as Node's is.
  }

  isFile() {
    return this.type === 'file'
  }

  isDirectory() {
    return this.type === 'directory'
  }

  isSymbolicLink() {
    return this.type === 'symbolic link'
  }
}

/**
 * What a folder holds, from the native side's list: a digit for the kind, the name, a NUL.
 *
 * @param {string | Buffer} list
 * @returns {types.DirectoryEntry<any>[]}
 */
function toEntries(list) {
  const entries = []
  for (let start = 0; start < list.length; ) {
    const end = typeof list === 'string' ? list.indexOf('\0', start) : list.indexOf(0, start)
    const kind = Number(typeof list === 'string' ? list[start] : list[start] - 48)
    const name =
      typeof list === 'string' ? list.slice(start + 1, end) : list.subarray(start + 1, end)
    entries.push({ name, type: kinds[kind] })
    start = end + 1
  }
  return entries
}

module.exports = { FileStats, toEntries }
