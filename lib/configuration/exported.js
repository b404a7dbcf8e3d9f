// @ts-check
'use strict'

const { spawnSync } = require('node:child_process')
const { pathToFileURL } = require('node:url')
const v8 = require('node:v8')

/** Milliseconds that another Node may take to load a module. */
const LOAD_TIMEOUT = 30_000

/**
 * What that Node runs. It answers on a pipe of its own, for standard output is the module's, and ends then, whatever the
 * module has left open. The answer holds what JSON does not have, such as NaN.
 */
const LOAD = `
const answer = (value) => {
  require('node:fs').writeFileSync(3, require('node:v8').serialize(value))
  process.exit()
}
import(process.argv[1]).then((exports) => answer({ exports: { ...exports } })).catch((error) => answer({ error }))`

/**
 * What a module exports. An ES module that this Node cannot load without waiting, as none before 22.12, is loaded by
 * another Node.
 *
 * @param {string} file
 */
function exportedBy(file) {
  const exported = exportsOf(file)
  return exported?.default ?? exported
}

/** @param {string} file */
function exportsOf(file) {
  try {
    return require(file)
  } catch (error) {
    const code = /** @type {NodeJS.ErrnoException | null} */ (error)?.code
    if (code !== 'ERR_REQUIRE_ESM' && code !== 'ERR_REQUIRE_ASYNC_MODULE') throw error
    return exportsElsewhere(file)
  }
}

/** @param {string} file */
function exportsElsewhere(file) {
  const { output, error, status, signal } = spawnSync(
    process.execPath,
    ['-e', LOAD, pathToFileURL(file).href],
    { stdio: ['ignore', 'inherit', 'inherit', 'pipe'], timeout: LOAD_TIMEOUT },
  )
  if (error) throw error
  const answer = /** @type {Buffer} */ (/** @type {unknown} */ (output[3]))
  if (answer.length === 0) {
    throw new Error(`the process that loaded it ended without an answer: ${signal ?? status}`)
  }
  const told = v8.deserialize(answer)
  if ('error' in told) throw told.error
  return told.exports
}

module.exports = { exportedBy }
