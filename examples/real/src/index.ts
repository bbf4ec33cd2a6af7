export { runStory, type StoryOptions, type StoryResult } from './story';
export { parseSettings, type Settings } from './settings';
