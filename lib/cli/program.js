// @ts-check
'use strict'

// Runs a program of the user's with a module of ours loaded before its own code.

const { spawn } = require('node:child_process')
const { constants } = require('node:os')

/**
 * Our own arguments, and the program after `--`, if there is one.
 *
 * @param {string[]} args
 * @returns {{ own: string[], program?: string[] }}
 */
function splitAtProgram(args) {
  const separator = args.indexOf('--')
  if (separator < 0) return { own: args }
  return { own: args.slice(0, separator), program: args.slice(separator + 1) }
}

/**
 * Ends when the program does, also after a signal: what is to be done afterwards is done.
 *
 * @param {string[]} command
 * @param {string} preload the module; it asks `isChosen` whether it is meant
 * @param {NodeJS.ProcessEnv} variables for it
 * @returns {Promise<number>} the exit code, 128 and its number for a signal as in a shell
 */
function runProgram([program, ...args], preload, variables) {
  // Quoted: the path may have spaces.
  const required = `--require ${JSON.stringify(preload)}`
  const env = {
    ...process.env,
    ...variables,
    NODE_OPTIONS: [process.env.NODE_OPTIONS, required].filter(Boolean).join(' '),
    AIWF_NATIVE_PRELOAD_PARENT: String(process.pid),
  }
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: 'inherit' })
    const release = listen({
      // A terminal sends it to the program too.
      SIGINT: () => process.stdin.isTTY || child.kill('SIGINT'),
      SIGTERM: () => child.kill('SIGTERM'),
      SIGHUP: () => child.kill('SIGHUP'),
    })
    child.on('error', (error) => {
      release()
      reject(error)
    })
    child.on('close', (code, signal) => {
      release()
      resolve(code ?? 128 + (signal ? constants.signals[signal] : 0))
    })
  })
}

/**
 * @param {Partial<Record<NodeJS.Signals, () => void>>} listeners
 * @returns {() => void} takes them away again
 */
function listen(listeners) {
  const all = Object.entries(listeners)
  for (const [signal, listener] of all) process.on(signal, listener)
  return () => {
    for (const [signal, listener] of all) process.off(signal, listener)
  }
}

/** Whether this process is the program itself, and not a worker thread or child of it, which inherit the environment. */
function isChosen() {
  const { isMainThread } = require('node:worker_threads')
  return isMainThread && String(process.ppid) === process.env.AIWF_NATIVE_PRELOAD_PARENT
}

module.exports = { splitAtProgram, runProgram, isChosen }
