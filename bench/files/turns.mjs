// @ts-check

// Contenders in turns, and what they took.

import fs from 'node:fs/promises'
import path from 'node:path'

/**
 * What a contender does in a round: with its own fresh folder, `count` operations. It may return the milliseconds it
 * took itself.
 *
 * @typedef {(dir: string) => unknown} Contender
 */

/**
 * @typedef {object} Race
 * @property {string} name
 * @property {number} count operations of a contender in a round
 * @property {string} root where the fresh folders go; those of a race are removed when it is over
 * @property {number} rounds
 * @property {(dir: string) => void} [prepare]
 * @property {boolean} [clears] whether folders are removed after each turn, as large files must be
 * @property {Record<string, Contender>} contenders ours come first
 */

const median = (/** @type {number[]} */ values) =>
  values.toSorted((a, b) => a - b)[values.length >> 1]

/**
 * Prints the median wall and CPU time of an operation, and how many times ours each took.
 *
 * @param {Race} race
 */
export async function race({ name, count, root, rounds, prepare, clears, contenders }) {
  const entries = Object.entries(contenders)
  /** @type {Map<string, { wall: number, cpu: number }[]>} */
  const times = new Map(entries.map(([contender]) => [contender, []]))
  /** @type {string[]} */
  const folders = []
  for (let round = -1; round < rounds; round++) {
    for (let turn = 0; turn < entries.length; turn++) {
      const [contender, act] = entries[(turn + round + entries.length) % entries.length]
      const dir = await fs.mkdtemp(path.join(root, 'round-'))
      folders.push(dir)
      prepare?.(dir)
      const time = await measure(act, dir, count)
      // The first round warms up.
      if (round >= 0) times.get(contender)?.push(time)
      if (clears) await fs.rm(dir, { recursive: true })
    }
  }
  const ours = median(times.get(entries[0][0])?.map(({ wall }) => wall) ?? [])
  for (const [contender, values] of times) {
    const wall = median(values.map(({ wall }) => wall))
    const cpu = median(values.map(({ cpu }) => cpu))
    console.log(
      name.padEnd(16),
      contender.padEnd(20),
      wall.toFixed(1).padStart(10),
      Number.isNaN(cpu) ? '         –' : cpu.toFixed(1).padStart(10),
      `${(wall / ours).toFixed(2)}x`.padStart(9),
    )
  }
  // Not before: some file systems are slow to reuse what was freed lately.
  for (const dir of folders) await fs.rm(dir, { recursive: true, force: true })
}

/**
 * @param {Contender} act
 * @param {string} dir
 * @param {number} count
 */
async function measure(act, dir, count) {
  const cpuBefore = process.cpuUsage()
  const began = performance.now()
  const told = await act(dir)
  const wall = typeof told === 'number' ? told : performance.now() - began
  const { user, system } = process.cpuUsage(cpuBefore)
  const cpu = typeof told === 'number' ? Number.NaN : (user + system) / count
  return { wall: (wall * 1000) / count, cpu }
}
