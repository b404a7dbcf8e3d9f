// @ts-check
'use strict'

// What callers ask for, checked and in the terms of native code.

const args = require('../internal/arguments.js')
const { isUtf8, toContent } = require('./content.js')
const { FileStats, toEntries } = require('./file-stats.js')
const { algorithms, flags, kinds } = require('./staging.js')

/** @import * as types from '../file-batch-processor.js' */

/**
 * @typedef {object} Request
 * @property {number} kind
 * @property {string | Buffer} path
 * @property {string | Buffer} [destination]
 * @property {string | Buffer} [content]
 * @property {number} mode permissions, or the number of an algorithm
 * @property {number} bits flags
 * @property {(value: any) => unknown} [convert] makes the result of what native code reports
 */

/**
 * @param {types.Path} filePath
 * @param {types.ReadOptions} options
 * @returns {Request}
 */
function read(filePath, options) {
  const path = args.path('filePath', filePath)
  args.object('options', options)
  if (options.encoding === 'buffer') return { kind: kinds.READ, path, mode: 0, bits: 0 }
  const encoding = args.encoding(options.encoding || 'utf8')
  if (isUtf8(encoding)) {
    return { kind: kinds.READ, path, mode: 0, bits: flags.TEXT, convert: toText }
  }
  const convert = (/** @type {Buffer} */ bytes) => bytes.toString(encoding)
  return { kind: kinds.READ, path, mode: 0, bits: 0, convert }
}

/**
 * Bytes come in place of text that is too long for a string; Node's own error says so.
 *
 * @param {string | Buffer} value
 */
function toText(value) {
  return typeof value === 'string' ? value : value.toString('utf8')
}

/**
 * Replaces a file, or adds to it.
 *
 * @param {number} kind
 * @param {types.Path} filePath
 * @param {types.Content} content
 * @param {types.WriteOptions} options
 * @returns {Request}
 */
function write(kind, filePath, content, options) {
  const path = args.path('filePath', filePath)
  const bits = publishBits(options)
  const encoding = args.encoding(options.encoding || 'utf8')
  const mode = args.mode('mode', options.mode ?? 0o666)
  return { kind, path, content: toContent(content, encoding), mode, bits }
}

/**
 * Copies a file or a folder.
 *
 * @param {number} kind
 * @param {types.Path} source
 * @param {types.Path} destination
 * @param {types.CopyOptions} options
 * @returns {Request}
 */
function copy(kind, source, destination, options) {
  return { ...both(kind, source, destination), bits: publishBits(options) }
}

/**
 * @param {types.Path} source
 * @param {types.Path} destination
 * @param {types.OperationOptions} options
 * @returns {Request}
 */
function move(source, destination, options) {
  const request = both(kinds.MOVE, source, destination)
  args.object('options', options)
  return request
}

/**
 * @param {number} kind
 * @param {types.Path} source
 * @param {types.Path} destination
 */
function both(kind, source, destination) {
  const path = args.path('source', source)
  return { kind, path, destination: args.path('destination', destination), mode: 0, bits: 0 }
}

/**
 * @param {types.Path} target
 * @param {types.RemoveOptions} options
 * @returns {Request}
 */
function remove(target, options) {
  const path = args.path('path', target)
  args.object('options', options)
  const bits = (options.recursive ? flags.RECURSIVE : 0) | (options.force ? flags.FORCE : 0)
  return { kind: kinds.REMOVE, path, mode: 0, bits }
}

/**
 * @param {types.Path} dirPath
 * @param {types.MkdirOptions} options
 * @returns {Request}
 */
function mkdir(dirPath, options) {
  const path = args.path('dirPath', dirPath)
  args.object('options', options)
  return { kind: kinds.MKDIR, path, mode: args.mode('mode', options.mode ?? 0o777), bits: 0 }
}

/**
 * @param {types.Path} target
 * @param {types.StatOptions} options
 * @returns {Request}
 */
function stat(target, options) {
  const path = args.path('path', target)
  args.object('options', options)
  const bits = options.followLinks === false ? 0 : flags.FOLLOW
  const convert = (/** @type {number[]} */ numbers) => new FileStats(numbers)
  return { kind: kinds.STAT, path, mode: 0, bits, convert }
}

/**
 * @param {types.Path} dirPath
 * @param {types.ReaddirOptions} options
 * @returns {Request}
 */
function readdir(dirPath, options) {
  const path = args.path('dirPath', dirPath)
  args.object('options', options)
  const { encoding, withFileTypes } = options
  if (encoding && encoding !== 'buffer' && !isUtf8(encoding)) {
    throw args.invalidValue('encoding', "must be 'utf8' or 'buffer'", encoding)
  }
  const bits = encoding === 'buffer' ? 0 : flags.TEXT
  const convert = (/** @type {string | Buffer} */ list) => {
    const entries = toEntries(list)
    return withFileTypes ? entries : entries.map(({ name }) => name)
  }
  return { kind: kinds.READDIR, path, mode: 0, bits, convert }
}

/**
 * @param {types.Path} filePath
 * @param {types.HashAlgorithm} algorithm
 * @param {types.OperationOptions} options
 * @returns {Request}
 */
function hash(filePath, algorithm, options) {
  const path = args.path('filePath', filePath)
  args.object('options', options)
  const mode = algorithms.indexOf(args.string('algorithm', algorithm).toLowerCase())
  if (mode < 0) {
    throw args.invalidValue('algorithm', `must be one of: ${algorithms.join(', ')}`, algorithm)
  }
  return { kind: kinds.HASH, path, mode, bits: 0 }
}

/** @param {types.CopyOptions} options */
function publishBits(options) {
  const { atomic = true, fsync, preserveTimestamps } = args.object('options', options)
  return (
    (atomic ? flags.ATOMIC : 0) |
    (fsync ? flags.DURABLE : 0) |
    (preserveTimestamps ? flags.TIMES : 0)
  )
}

module.exports = { read, write, copy, move, remove, mkdir, stat, readdir, hash }
