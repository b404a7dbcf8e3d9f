#!/usr/bin/env node
// @ts-check
'use strict'

const { main } = require('../lib/cli/main.js')

// Whoever closes it does not want to hear of the work; the work goes on.
process.stderr.on('error', () => {})

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
  },
  // Of a binary that cannot be loaded, as a rule: its message says what mends it.
  ({ message }) => {
    console.error(`aiwf-native: ${message}`)
    process.exitCode = 1
  },
)
