/**
 * The reporter for programs: each event one JSON object on one line of stdout, names raw (undecodable
 * bytes as `\udcXX`). Sentences still go to stderr, for whoever reads along.
 *
 * Progress comes at most once a second.
 */
import type { RunEvent } from './reporter.js'
import { TextReporter } from './text.js'

export class JsonReporter extends TextReporter {
  override event(event: RunEvent): void {
    this.tellObjects(event)
  }

  override data(): void {
    // stdout belongs to the objects: what a command has to say there comes as events.
  }
}
