'use strict'

const { FileUtils } = require('./file-batch-processor/file-utils.js')
const { FileBatchProcessor } = require('./file-batch-processor/processor.js')
const { Semaphore } = require('./file-batch-processor/semaphore.js')

module.exports = { FileBatchProcessor, FileUtils, Semaphore }
