// @ts-check
// A heap snapshot of 200 MB, summed up by constructor with retained sizes: ours against memlab, each in a process of its
// own, in turns. Prints medians of time and CPU time, and the peak of resident memory.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import v8 from 'node:v8'
import native from '../lib/internal/native.js'
import settle from '../lib/internal/settle.js'
import { peer } from './peer.mjs'

const ROUNDS = 3
/** Of a program; some 400 bytes of a snapshot each. */
const SESSIONS = 480_000

const self = import.meta.filename
const [, , role, file] = process.argv

class Session {
  /** @param {number} id */
  constructor(id) {
    this.id = `session ${id}`
    this.data = { id, pair: [id, id + 1] }
  }
}

/** @type {Record<string, () => Promise<{ count: number, retained: number }>>} */
const contenders = {
  async 'aiwf-native'() {
    /** @type {import('../binding.js').NativeHeapSummary} */
    const summary = await settle.promised((ticket) =>
      native.summariseHeapSnapshot(settle.settler, ticket, file, 0),
    )
    const found = summary.figures().constructors.find(({ name }) => name === 'Session')
    return { count: found?.count ?? 0, retained: found?.retainedSize ?? 0 }
  },
  async memlab() {
    const { getFullHeapFromFile } = await peer('@memlab/heap-analysis')
    const heap = await getFullHeapFromFile(file)
    /** @type {Map<string, { count: number, retained: number }>} */
    const classes = new Map()
    heap.nodes.forEach((/** @type {any} */ { type, name, retainedSize }) => {
      const key = type === 'object' || type === 'native' ? name : type
      const known = classes.get(key) ?? { count: 0, retained: 0 }
      classes.set(key, { count: known.count + 1, retained: known.retained + retainedSize })
    })
    return /** @type {any} */ (classes.get('Session'))
  },
}

/** The most this process ever had resident, in MB. */
function peak() {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS / 1024
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024
}

/** @param {string} name */
function measure(name) {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--max-old-space-size=8192', self, name, file ?? snapshot],
    {
      encoding: 'utf8',
      // memlab tells its progress there.
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  if (status !== 0) throw new Error(`${name} failed: ${stderr}`)
  return JSON.parse(stdout.slice(stdout.lastIndexOf('{"')))
}

/** @param {number[]} values */
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1]

let snapshot = ''
if (role === 'write') {
  const sessions = new Map()
  for (let id = 0; id < SESSIONS; id++) sessions.set(`key ${id}`, new Session(id))
  Object.assign(globalThis, { sessions })
  v8.writeHeapSnapshot(file)
} else if (role) {
  const before = {
    at: performance.now(),
    cpu: process.cpuUsage(),
    rss: process.memoryUsage.rss() / 2 ** 20,
  }
  const found = await contenders[role]()
  const { user, system } = process.cpuUsage(before.cpu)
  const seconds = (performance.now() - before.at) / 1e3
  console.log(
    JSON.stringify({ seconds, cpu: (user + system) / 1e6, peak: peak() - before.rss, ...found }),
  )
} else {
  const folder = mkdtempSync(join(tmpdir(), 'aiwf-native-bench-'))
  try {
    snapshot = join(folder, 'big.heapsnapshot')
    spawnSync(process.execPath, [self, 'write', snapshot], { stdio: 'inherit' })
    console.log(`a snapshot of ${(statSync(snapshot).size / 1e6).toFixed(0)} MB`)
    /** @type {Record<string, any[]>} */
    const runs = Object.fromEntries(Object.keys(contenders).map((name) => [name, []]))
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of Object.keys(contenders)) runs[name].push(measure(name))
    }
    for (const [name, found] of Object.entries(runs)) {
      const [seconds, cpu, most] = ['seconds', 'cpu', 'peak'].map((key) =>
        median(found.map((run) => run[key])),
      )
      console.log(
        `${name.padEnd(12)} ${seconds.toFixed(2).padStart(7)} s  ${cpu.toFixed(2).padStart(7)} s of CPU  ` +
          `${most.toFixed(0).padStart(5)} MB more resident  (${found[0].count} sessions)`,
      )
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
