"""The Responses API: chat's answers as items and events, and conversations that are kept."""
