// @ts-check

// The way AIWF's own module goes: fs/promises behind a queue in JavaScript. Batches of 50 one after the other, ten at
// once in each, a look at the file or its folder before the work, streams above 10 MiB; many files one by one.

import { createReadStream, createWriteStream } from 'node:fs'
import fs from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'

const BATCH = 50
const CONCURRENCY = 10
const LARGE = 10 << 20

/** @type {{ act: () => Promise<unknown>, resolve: (value: any) => void, reject: (reason: unknown) => void }[]} */
const queue = []
let working = false

/**
 * @param {() => Promise<unknown>} act
 * @returns {Promise<any>}
 */
function queued(act) {
  return new Promise((resolve, reject) => {
    queue.push({ act, resolve, reject })
    work()
  })
}

async function work() {
  if (working) return
  working = true
  while (queue.length > 0) {
    const batch = queue.splice(0, BATCH)
    await Promise.all(Array.from({ length: CONCURRENCY }, () => drain(batch)))
  }
  working = false
}

/** @param {typeof queue} batch */
async function drain(batch) {
  for (let next = batch.shift(); next; next = batch.shift()) {
    await next.act().then(next.resolve, next.reject)
  }
}

export const read = (/** @type {string} */ file) =>
  queued(async () => {
    const { size } = await fs.stat(file)
    if (size <= LARGE) return fs.readFile(file, 'utf8')
    const chunks = await createReadStream(file).toArray()
    return Buffer.concat(chunks).toString()
  })

export const write = (/** @type {string} */ file, /** @type {string} */ content) =>
  queued(async () => {
    await fs.mkdir(path.dirname(file), { recursive: true })
    await fs.writeFile(file, content)
  })

export const copy = (/** @type {string} */ source, /** @type {string} */ destination) =>
  queued(async () => {
    await fs.mkdir(path.dirname(destination), { recursive: true })
    const { size } = await fs.stat(source)
    if (size <= LARGE) await fs.copyFile(source, destination)
    else await pipeline(createReadStream(source), createWriteStream(destination))
  })

export const mkdir = (/** @type {string} */ folder) =>
  queued(() => fs.mkdir(folder, { recursive: true }))

/** @param {string[]} files */
export async function readMultipleFiles(files) {
  /** @type {Record<string, string>} */
  const texts = {}
  for (const file of files) texts[file] = await read(file)
  return texts
}
