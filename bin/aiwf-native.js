#!/usr/bin/env node
// @ts-check
'use strict'

const { main } = require('../lib/cli/main.js')

// Whoever closes it does not want to hear of the work; the work goes on.
process.stderr.on('error', () => {})

main(process.argv.slice(2)).then((code) => {
  process.exitCode = code
})
