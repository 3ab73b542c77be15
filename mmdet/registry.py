"""All registries, each a child of the root registry of mmengine with the same name.

A ``type='Name'`` in a config is looked up here first and then in mmengine (``SGD``, ``MultiStepLR``, ...).
``locations`` lists the modules to import on the first lookup, so a config needs no ``custom_imports`` for
parts of this package.
"""

from mmengine.registry import DATA_SAMPLERS as ROOT_DATA_SAMPLERS
from mmengine.registry import DATASETS as ROOT_DATASETS
from mmengine.registry import EVALUATOR as ROOT_EVALUATOR
from mmengine.registry import FUNCTIONS as ROOT_FUNCTIONS
from mmengine.registry import HOOKS as ROOT_HOOKS
from mmengine.registry import INFERENCERS as ROOT_INFERENCERS
from mmengine.registry import LOG_PROCESSORS as ROOT_LOG_PROCESSORS
from mmengine.registry import LOOPS as ROOT_LOOPS
from mmengine.registry import METRICS as ROOT_METRICS
from mmengine.registry import MODEL_WRAPPERS as ROOT_MODEL_WRAPPERS
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS as ROOT_OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.registry import OPTIM_WRAPPERS as ROOT_OPTIM_WRAPPERS
from mmengine.registry import OPTIMIZERS as ROOT_OPTIMIZERS
from mmengine.registry import PARAM_SCHEDULERS as ROOT_PARAM_SCHEDULERS
from mmengine.registry import RUNNER_CONSTRUCTORS as ROOT_RUNNER_CONSTRUCTORS
from mmengine.registry import RUNNERS as ROOT_RUNNERS
from mmengine.registry import TASK_UTILS as ROOT_TASK_UTILS
from mmengine.registry import TRANSFORMS as ROOT_TRANSFORMS
from mmengine.registry import VISBACKENDS as ROOT_VISBACKENDS
from mmengine.registry import VISUALIZERS as ROOT_VISUALIZERS
from mmengine.registry import WEIGHT_INITIALIZERS as ROOT_WEIGHT_INITIALIZERS
from mmengine.registry import Registry


def _child(name, parent, *locations):
    return Registry(name, parent=parent, scope='mmdet', locations=list(locations))


MODELS = _child('model', ROOT_MODELS, 'mmdet.models')
TASK_UTILS = _child('task util', ROOT_TASK_UTILS, 'mmdet.models')
MODEL_WRAPPERS = _child('model wrapper', ROOT_MODEL_WRAPPERS, 'mmdet.engine')
WEIGHT_INITIALIZERS = _child('weight initializer', ROOT_WEIGHT_INITIALIZERS, 'mmdet.models')
DATASETS = _child('dataset', ROOT_DATASETS, 'mmdet.datasets')
DATA_SAMPLERS = _child('data sampler', ROOT_DATA_SAMPLERS, 'mmdet.datasets')
TRANSFORMS = _child('transform', ROOT_TRANSFORMS, 'mmdet.datasets')
FUNCTIONS = _child('function', ROOT_FUNCTIONS, 'mmdet.datasets')
METRICS = _child('metric', ROOT_METRICS, 'mmdet.evaluation.metrics')
EVALUATOR = _child('evaluator', ROOT_EVALUATOR, 'mmdet.evaluation.metrics')
VISUALIZERS = _child('visualizer', ROOT_VISUALIZERS, 'mmdet.visualization')
VISBACKENDS = _child('vis backend', ROOT_VISBACKENDS, 'mmdet.engine')
HOOKS = _child('hook', ROOT_HOOKS, 'mmdet.engine')
LOOPS = _child('loop', ROOT_LOOPS, 'mmdet.engine')
RUNNERS = _child('runner', ROOT_RUNNERS, 'mmdet.engine')
RUNNER_CONSTRUCTORS = _child('runner constructor', ROOT_RUNNER_CONSTRUCTORS, 'mmdet.engine')
OPTIMIZERS = _child('optimizer', ROOT_OPTIMIZERS, 'mmdet.engine')
OPTIM_WRAPPERS = _child('optim wrapper', ROOT_OPTIM_WRAPPERS, 'mmdet.engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child(
    'optim wrapper constructor', ROOT_OPTIM_WRAPPER_CONSTRUCTORS, 'mmdet.engine'
)
PARAM_SCHEDULERS = _child('parameter scheduler', ROOT_PARAM_SCHEDULERS, 'mmdet.engine')
LOG_PROCESSORS = _child('log processor', ROOT_LOG_PROCESSORS, 'mmdet.engine')
INFERENCERS = _child('inferencer', ROOT_INFERENCERS, 'mmdet.apis')
