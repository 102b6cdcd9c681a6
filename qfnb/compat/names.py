"""The official SDK's module paths and names: where each is in qfnb."""

_INFERENCE = "resources.inference"
_MANAGEMENT = "resources.management"
_CONSTANTS = "resources.console.consts"
_TABLES = "compat.tables"
_OPERATORS = (
    "DeduplicationSimhash Deduplicator DesensitizationProcessor ExceptionRegulator Filter "
    "FilterCheckCharacterRepetitionRemoval FilterCheckFlaggedWords FilterCheckLangId "
    "FilterCheckNumberWords "
    "FilterCheckPerplexity FilterCheckSpecialCharacters FilterCheckWordRepetitionRemoval "
    "QianfanOperator "
    "RemoveEmoji RemoveInvisibleCharacter RemoveNonMeaningCharacters RemoveWebIdentifiers "
    "ReplaceEmails "
    "ReplaceIdentifier ReplaceIp ReplaceTraditionalChineseToSimplified ReplaceUniformWhitespace"
)

NAMES: dict[str, dict[str, str]] = {
    "": {
        "": "VERSION=__version__",
        "compat.client": "AsyncQianfan Qianfan",
        "compat.function": "Function",
        "compat.logs": "disable_log enable_log",
        "compat.settings": "AK AccessKey AccessToken SK SecretKey",
        "compat.typing": "QfRole Role=QfRole",
        f"{_INFERENCE}.arguments": "QfMessages=Messages",
        "transport.response": "QfResponse=Response Response",
    },
    "autotuner": {"compat.autotuner.trials": "run"},
    "autotuner.context": {"compat.autotuner.search": "Config Context Metrics TrialResult"},
    "autotuner.launcher": {"compat.autotuner.trials": "Launcher"},
    "autotuner.runner": {"compat.autotuner.trials": "QianfanRunner Runner"},
    "autotuner.runner.base": {"compat.autotuner.trials": "Runner"},
    "autotuner.runner.qianfan_runner": {"compat.autotuner.trials": "QianfanRunner"},
    "autotuner.space": {"compat.autotuner.search": "Categorical Space Uniform"},
    "autotuner.suggestor": {"compat.autotuner.search": "RandomSuggestor Suggestor"},
    "autotuner.suggestor.base": {"compat.autotuner.search": "Suggestor"},
    "autotuner.suggestor.random_suggestor": {"compat.autotuner.search": "RandomSuggestor"},
    "autotuner.tune": {"compat.autotuner.trials": "run"},
    "autotuner.utils": {"compat.autotuner.search": "Config ConfigList Metrics TrialResult"},
    "client": {"compat.client": "AsyncQianfan Qianfan"},
    "client.client": {"compat.client": "AsyncQianfan Chat Qianfan"},
    "common": {"compat.prompt": "Prompt PromptLabel"},
    "common.hub": {"compat.hub": "load push save"},
    "common.hub.hub": {"compat.hub": "load push save"},
    "common.hub.interface": {"compat.hub": "dumps loads"},
    "common.prompt": {},
    "common.prompt.prompt": {"compat.prompt": "Prompt PromptLabel"},
    "common.runnable": {},
    "common.runnable.base": {"model.executable": "Executable ExecuteSerializable Serializable"},
    "common.tool": {},
    "common.tool.baidu_search_tool": {"compat.agent_tools": "BaiduSearchTool"},
    "common.tool.base_tool": {"compat.agent_tools": "BaseTool ToolParameter"},
    "config": {
        "compat.settings": "AK AccessKey AccessToken SK SecretKey",
        "config": "GlobalConfig=Config",
    },
    "consts": {
        "compat.consts": "APIErrorCode Consts DefaultValue Env",
        "resources.console.consts": "PromptFrameworkType PromptSceneType PromptScoreStandard "
        "PromptType",
    },
    "dataset": {
        f"{_TABLES}.data_source": "BosDataSource DataSource FileDataSource FormatType",
        f"{_TABLES}.dataset": "Dataset",
        f"{_TABLES}.platform_source": "QianfanDataSource",
        f"{_TABLES}.table": "Table",
        _CONSTANTS: "DataExportDestinationType DataProjectType DataSetType DataSourceType "
        "DataStorageType "
        "DataTemplateType",
    },
    "dataset.consts": {
        f"{_TABLES}.columns": "QianfanDataGroupColumnName=GROUP QianfanDatasetPackColumnName=PACK",
        f"{_TABLES}.inference": "FirstTokenLatencyColumnName=FIRST_LATENCY "
        "LLMOutputColumnName=OUTPUT "
        "LLMTagColumnName=TAG "
        "NewInputChatColumnName=CHATS NewInputPromptColumnName=PROMPT "
        "OldReferenceColumnName=REFERENCE "
        "RequestLatencyColumnName=LATENCY",
    },
    "dataset.data_source": {
        f"{_TABLES}.data_source": "BosDataSource DataSource FileDataSource FormatType",
        f"{_TABLES}.platform_source": "QianfanDataSource",
    },
    "dataset.data_source.baidu_qianfan": {f"{_TABLES}.platform_source": "QianfanDataSource"},
    "dataset.data_source.base": {f"{_TABLES}.data_source": "DataSource FormatType"},
    "dataset.data_source.bos": {f"{_TABLES}.data_source": "BosDataSource"},
    "dataset.data_source.file": {f"{_TABLES}.data_source": "FileDataSource"},
    "dataset.data_operator": {f"{_TABLES}.operators": _OPERATORS},
    "dataset.dataset": {f"{_TABLES}.dataset": "Dataset"},
    "dataset.qianfan_data_operators": {f"{_TABLES}.operators": _OPERATORS},
    "dataset.summarization_method": {
        f"{_TABLES}.summary": "MaxMethod MeanMethod MinMethod QuantileMethod SummarizationMethod"
    },
    "dataset.table": {f"{_TABLES}.table": "Table"},
    "dataset.schema": {
        f"{_TABLES}.schema": "EvaluationSchema QianfanGenericText QianfanNonSortedConversation "
        "QianfanPromptChosenRejected QianfanQuerySet QianfanSchema QianfanSortedConversation "
        "QianfanText2Image"
    },
    "errors": {
        "errors": "AccessTokenExpiredError=AuthError ArgumentNotFoundError=InvalidArgumentError "
        "BearerTokenExpiredError=AuthError FileSizeOverflow=InvalidArgumentError "
        "NotImplmentError=InternalError "
        "QianfanRequestError=QianfanError ValidationError=InvalidArgumentError"
    },
    "evaluation.consts": {
        "evaluation.evaluator": "QianfanRefereeEvaluatorDefaultMaxScore=REFEREE_MAX_SCORE "
        "QianfanRefereeEvaluatorDefaultMetrics=REFEREE_METRICS "
        "QianfanRefereeEvaluatorDefaultSteps=REFEREE_STEPS "
        "QianfanRefereeEvaluatorPromptTemplate=REFEREE_TEMPLATE",
        "evaluation.judges.judge": "LocalJudgeEvaluatorPromptTemplate=JUDGE_TEMPLATE",
    },
    "evaluation.evaluation_manager": {"evaluation.manager": "EvaluationManager"},
    "evaluation.evaluation_result": {"evaluation.report": "EvaluationResult"},
    "evaluation.local_evaluator": {"evaluation.judges.judge": "LocalJudgeEvaluator"},
    "evaluation.opencompass_evaluator": {
        "evaluation.local_evaluators": "OpenCompassLocalEvaluator"
    },
    "model.model": {"model.service": "Service", "trainer.model": "model_deploy"},
    "resources": {
        "compat.function": "Function",
        "compat.iam": "IAM",
        "compat.typing": "QfRole",
        f"{_INFERENCE}.arguments": "QfMessages=Messages",
        "transport.response": "QfResponse=Response",
    },
    "resources.console": {},
    "resources.console.charge": {f"{_MANAGEMENT}.charge": "Charge"},
    "resources.console.consts": {
        "compat.console_consts": "FinetuneCorpusType FinetuneSupportHyperParameterCheckType "
        "FinetuneSupportHyperParameterType FinetuneSupportModelType TrainDatasetSourceType V2"
    },
    "resources.console.data": {f"{_MANAGEMENT}.data": "Data"},
    "resources.console.eval": {f"{_MANAGEMENT}.evaluation": "Eval=Evaluation"},
    "resources.console.finetune": {f"{_MANAGEMENT}.finetune": "FineTune"},
    "resources.console.iam": {"compat.iam": "IAM"},
    "resources.console.memory": {f"{_MANAGEMENT}.memory": "Memory"},
    "resources.console.model": {f"{_MANAGEMENT}.model": "Model"},
    "resources.console.prompt": {f"{_MANAGEMENT}.prompt": "Prompt"},
    "resources.console.service": {f"{_MANAGEMENT}.service": "Service"},
    "resources.images": {},
    "resources.images.image2text": {f"{_INFERENCE}.image2text": "Image2Text"},
    "resources.images.text2image": {f"{_INFERENCE}.text2image": "Text2Image"},
    "resources.llm": {},
    "resources.llm.base": {f"{_INFERENCE}.batch_task": "BatchRequestFuture=BatchTask"},
    "resources.llm.chat_completion": {f"{_INFERENCE}.chat": "ChatCompletion"},
    "resources.llm.completion": {f"{_INFERENCE}.completion_plugin": "Completion"},
    "resources.llm.embedding": {f"{_INFERENCE}.embedding_reranker_tokenizer": "Embedding"},
    "resources.llm.function": {"compat.function": "Function"},
    "resources.llm.plugin": {f"{_INFERENCE}.completion_plugin": "Plugin"},
    "resources.llm.rerank": {f"{_INFERENCE}.embedding_reranker_tokenizer": "Reranker"},
    "resources.tools": {},
    "resources.tools.tokenizer": {f"{_INFERENCE}.embedding_reranker_tokenizer": "Tokenizer"},
    "resources.typing": {
        "compat.typing": "QfRole",
        f"{_INFERENCE}.model_facts": "QfLLMInfo=ModelInfo",
        f"{_INFERENCE}.arguments": "QfMessages=Messages",
        "transport.response": "QfRequest=SentRequest QfResponse=Response",
    },
    "resources.typing_client": {
        f"{_INFERENCE}.completion_objects": "ChatCompletionMessage Choice ChoiceDelta Completion "
        "CompletionChunk "
        "CompletionChunkChoice CompletionStatistic CompletionUsage Function=FunctionCall "
        "SearchResult "
        "ToolCall=ToolCallObject"
    },
    "trainer": {"trainer.finetune": "Finetune=LLMFinetune PostPreTrain=PostPretrain"},
    "trainer.configs": {
        "trainer.model_info": "ModelInfo TrainLimit get_default_train_config get_model_info "
        "get_trainer_model_list",
        "trainer.sources": "CorpusConfig CorpusConfigItem DatasetConfig ResourceConfig",
    },
    "trainer.consts": {"trainer.consts": "TrainStatus=FinetuneStatus"},
    "trainer.dpo": {"trainer.finetune": "DPO"},
    "trainer.finetune": {"trainer.finetune": "Finetune=LLMFinetune"},
    "trainer.pipeline": {"trainer.base": "Pipeline"},
    "trainer.post_pretrain": {"trainer.finetune": "PostPreTrain=PostPretrain"},
    "trainer.trainer": {"trainer.base": "Trainer"},
    "utils": {"compat.logs": "disable_log enable_log log_debug log_error log_info log_warn logger"},
    "utils.logging": {
        "compat.logs": "TRACE_LEVEL disable_log enable_log log_debug log_error log_info log_trace "
        "log_warn logger "
        "redirect_log_to_file"
    },
    "version": {"": "VERSION=__version__"},
}
"""Module of the SDK, without its root -> module of qfnb -> names, `theirs=ours` where they
differ.
"""
